"""Access to the libraries that the service is compared with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

MISSING = "not installed; `make test-conformance` installs it and runs this"


def timm_weight_init() -> Any:
    """Load timm/layers/weight_init.py as a file, or skip the tests if timm is not installed.

    Importing the package imports torchvision, whose compiled parts must match the installed build of torch. The package index has
    no CPU-only build of it. The file itself needs only torch.
    """
    timm = importlib.util.find_spec("timm")
    if timm is None or timm.origin is None:
        pytest.skip(f"timm is {MISSING}", allow_module_level=True)
    spec = importlib.util.spec_from_file_location("timm_weight_init", Path(timm.origin).parent / "layers" / "weight_init.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
