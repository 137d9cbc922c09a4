"""The libraries that are compared with, and what each of them asks of its random numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

MISSING = "not installed; `make test-conformance` installs it and runs this"


def timm_weight_init() -> Any:
    """timm/layers/weight_init.py, loaded as a file; skips where timm is not installed.

    Importing the package itself imports torchvision, which has compiled parts that must fit the very build of torch that is
    there, and a build for no graphics card is not in the package index. The file needs torch alone.
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
