"""Declares two operators of torchvision where its compiled ones do not fit the build of torch. Without them it does not import.

PyPI's torchvision is compiled for the CUDA build of torch. transformers and timm import it. No test runs these operators, which find
overlapping boxes.
"""

from __future__ import annotations

import torch


def declare() -> object:
    """Declare the operators if they are missing. They vanish with the returned object."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    except ModuleNotFoundError:
        pass  # transformers does without it
    return None


DECLARED = declare()
