"""Fixtures for every test of the repository."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings

from service.settings import Settings
from tests.serving import serving

# the same examples at each run, and no deadline: a busy machine is no defect
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a service with its default limits."""
    with serving(Settings()) as url:
        yield url


@pytest.fixture(scope="session")
def http(server_url: str) -> Iterator[httpx.Client]:
    """A client of that service."""
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield client
