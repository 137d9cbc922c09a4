"""The manifests: they follow the schemas of Kubernetes and Compose, and match the image and the service."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings
from service.web.app import create_app

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OBJECTS: dict[str, dict[str, Any]] = {
    row["kind"]: row for row in yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8"))
}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("kind", ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"])
def test_each_object_follows_the_kubernetes_schema(kind: str) -> None:
    kubernetes_validate.validate(OBJECTS[kind], "1.37", strict=True)


def test_the_compose_file_follows_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_object_selects_the_same_pods() -> None:
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == OBJECTS["Deployment"]["metadata"]["name"]


def test_the_pod_has_no_unneeded_privileges() -> None:
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["securityContext"]["runAsNonRoot"] is True
    user = POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]
    assert re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE) == [tuple(map(str, user))]


def test_the_probes_use_existing_routes_and_ports() -> None:
    paths = {getattr(route, "path", None) for route in create_app(Settings()).routes}
    probes = [CONTAINER[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert {probe["httpGet"]["path"] for probe in probes} <= paths
    ports = {row["name"]: row["containerPort"] for row in CONTAINER["ports"]}
    assert {probe["httpGet"]["port"] for probe in probes} == {OBJECTS["Service"]["spec"]["ports"][0]["targetPort"]} == {"http"}
    assert ports["http"] == Settings.model_fields["port"].default
    assert str(ports["metrics"]) == environment()["WEIGHT_INIT_METRICS_PORT"]


def test_a_pod_stops_receiving_requests_before_it_stops_listening() -> None:
    probe = CONTAINER["readinessProbe"]
    noticed_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert noticed_s < float(environment()["WEIGHT_INIT_DRAIN_DELAY"]) < POD["terminationGracePeriodSeconds"]


def environment() -> dict[str, str]:
    return {row["name"]: row["value"] for row in CONTAINER["env"]}


def test_each_variable_is_a_setting_with_a_valid_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a-key-for-the-test\n")
    compose = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["weight-init"]["environment"]
    for name, value in {**environment(), **compose, "WEIGHT_INIT_API_KEYS_FILE": str(tmp_path / "keys")}.items():
        assert name.removeprefix("WEIGHT_INIT_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    assert Settings().workers == 1


def test_the_grace_period_is_longer_than_the_shutdown() -> None:
    environment = {row["name"]: row["value"] for row in CONTAINER["env"]}
    shutdown_s = float(environment["WEIGHT_INIT_DRAIN_DELAY"]) + float(environment["WEIGHT_INIT_SHUTDOWN_TIMEOUT_S"])
    assert shutdown_s < POD["terminationGracePeriodSeconds"]
    compose = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["weight-init"]
    assert float(compose["environment"]["WEIGHT_INIT_SHUTDOWN_TIMEOUT_S"]) < 60 * int(compose["stop_grace_period"].removesuffix("m"))
