"""Traces are sent where a collector is named; elsewhere no request asks whether one is."""

from __future__ import annotations

import os

import pytest

from service.settings import Settings
from service.web.app import create_app


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nothing of OpenTelemetry is set."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_where_nothing_is_set_it_is_off(without: pytest.MonkeyPatch) -> None:
    telemetry = create_app(Settings())._telemetry
    assert not telemetry["auto_configure"]
    assert not any(telemetry[kind] for kind in ("tracing", "metrics", "logs"))


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_where_a_collector_is_named_it_configures_itself(without: pytest.MonkeyPatch, variable: str) -> None:
    without.setenv(variable, "http://127.0.0.1:4318")
    telemetry = create_app(Settings())._telemetry
    assert telemetry["auto_configure"]
    assert telemetry["tracing"]
