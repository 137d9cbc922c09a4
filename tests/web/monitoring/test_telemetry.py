"""Traces are on if the environment names a collector, and off otherwise."""

from __future__ import annotations

import os

import pytest

from service.settings import Settings
from service.web.app import create_app


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without variables of OpenTelemetry."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_telemetry_is_off_by_default(clean_environment: pytest.MonkeyPatch) -> None:
    telemetry = create_app(Settings())._telemetry
    assert not telemetry["auto_configure"]
    assert not any(telemetry[kind] for kind in ("tracing", "metrics", "logs"))


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_telemetry_is_configured_if_a_collector_is_named(clean_environment: pytest.MonkeyPatch, variable: str) -> None:
    clean_environment.setenv(variable, "http://127.0.0.1:4318")
    telemetry = create_app(Settings())._telemetry
    assert telemetry["auto_configure"]
    assert telemetry["tracing"]
