"""What the tests that need torch, transformers, torchvision and timm share."""

from __future__ import annotations

import os

import pytest

torch = pytest.importorskip("torch", reason="make test-models installs torch")

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is built from configurations


def _declare_operators_of_torchvision() -> object:
    """Declare two operators that torchvision asks for when it is imported, where its compiled ones do not fit the build of torch.

    PyPI's torchvision is compiled for the CUDA build of torch. No test runs these operators, which find overlapping boxes.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None


_DECLARED = _declare_operators_of_torchvision()  # kept, because the operators vanish with it
