"""A container with 256 MiB of memory survives every attack of `make attack`, and goes on serving."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest

from benchmarks.attacks import ATTACKS, Attack
from benchmarks.servers import Server
from tests.container.containers import PATIENCE_S, service


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_survives(attack: Attack) -> None:
    settings = [f"--env=WEIGHT_INIT_{name.upper()}={value}" for name, value in attack.settings.items()]
    with service(*settings) as container:
        with suppress(ValueError, OSError):  # with so little memory, some answers are 503
            attack.measure(Server(int(str(container.state("Pid"))), int(container.url.rpartition(":")[2])))
        assert container.state("OOMKilled") is False
        assert container.state("Running") is True
        assert httpx.get(f"{container.url}/readyz", timeout=PATIENCE_S).status_code == 200
        assert "Traceback" not in container.log
