"""What the tests that need torch, transformers, torchvision and timm share."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("torch", reason="make test-models installs torch")

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is built from configurations

from tests.models import operators  # noqa: F401
