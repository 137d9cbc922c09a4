"""Fixtures for every test of the repository."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests.serving import serving


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
