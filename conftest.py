"""Fixtures for every test of the repository."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings

from service.settings import Settings
from tests.serving import serving
from tests.tracing import NEED_TORCH

# Modules that import torch. Without it, they cannot be searched for doctests, of which they have none.
collect_ignore_glob = [] if importlib.util.find_spec("torch") else [f"service/checkpoints/tracing/{name}.py" for name in NEED_TORCH]

# The same examples in each run. No deadline, because a slow machine is not a defect.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a service with default settings."""
    with serving(Settings()) as url:
        yield url


@pytest.fixture(scope="session")
def http(server_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of that service."""
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield client
