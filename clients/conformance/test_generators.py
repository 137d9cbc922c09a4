"""Code generators accept clients/openapi.json without warnings, and the generated code works with the service."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tools.golden.answers import FILE as GOLDEN

DOCUMENT = Path(__file__).parents[1] / "openapi.json"
GENERATORS = Path(__file__).with_name("generators")

pytestmark = pytest.mark.timeout(600)  # includes the time to install the generators


def run(folder: Path, *command: str | Path) -> str:
    """Run a command in `folder`, with both generators on its PATH, and return its output."""
    path = os.pathsep.join([str(folder / "venv" / "bin"), str(folder / "node_modules" / ".bin"), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs and the golden requests."""
    folder = tmp_path_factory.mktemp("generators")
    shutil.copytree(GENERATORS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "golden.json").write_text(json.dumps([row["request"] for row in golden()]), "utf-8")
    return folder


def golden() -> list[dict[str, Any]]:
    """Return the golden responses that are the same on every machine."""
    return [row for row in json.loads(GOLDEN.read_text("utf-8")) if "sha256" in row["answer"]]


@pytest.fixture
def expected(http: httpx.Client) -> dict[str, Any]:
    """The results that each program must print."""
    raw = http.get("/init?shape=16,3,3,3&scheme=he_normal&mode=fan_out&seed=18446744073709551615&dtype=float16&format=raw").content
    tensor = http.get("/init?shape=2,3&activation=tanh&seed=7&format=json").json()
    advice = http.get("/recommend?activation=relu&fan_in=784").json()
    return {
        "golden": [row["answer"]["file_sha256"] for row in golden()],
        "convolution": [hashlib.sha256(raw).hexdigest()] * 2,
        "part": list(raw[2:4]),
        "seed": str(2**64 - 1),
        "tensor": [tensor["shape"], tensor["data"], tensor["metadata"]["scheme"]],
        "advice": [advice["scheme"], advice["stddev"], advice["alternatives"][0]["scheme"]],
        "schemes": [row["name"] for row in http.get("/schemes").json()["schemes"]],
        "activations": [row["name"] for row in http.get("/activations").json()["activations"]],
        "problem": [422, "scheme"],
    }


def test_openapi_python_client_generates_a_working_client(folder: Path, server_url: str, expected: dict[str, Any]) -> None:
    run(folder, sys.executable, "-m", "venv", "venv")
    run(folder, "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt")
    output = run(folder, "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none", "--fail-on-warning")
    assert "warning" not in output.casefold()
    run(folder, sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", "--config-file", os.devnull, "use_client.py")
    assert json.loads(run(folder, "venv/bin/python", "use_client.py", server_url, "golden.json")) == expected


def test_openapi_typescript_generates_working_types(folder: Path, server_url: str, expected: dict[str, Any]) -> None:
    run(folder, "npm", "ci", "--silent")
    output = run(folder, "openapi-typescript", DOCUMENT, "--output", "weight-init.d.ts")
    assert not re.search("warn|error", output, re.IGNORECASE), output
    run(folder, "tsc")
    assert json.loads(run(folder, "node", "built/use_types.js", server_url, "golden.json")) == expected
