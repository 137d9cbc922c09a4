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


@pytest.fixture
def fewer_results(http: httpx.Client, expected: dict[str, Any]) -> dict[str, Any]:
    """The results that the programs on openapi-generator must print."""
    tensor = http.get(f"/init?shape=2,3&activation=relu&seed={2**53 - 1}&format=json").json()
    return {
        "convolution": expected["convolution"][0],
        "tensor": [tensor["shape"], tensor["data"], 2**53 - 1, "he_normal"],
        "advice": expected["advice"][:2],
        "schemes": len(expected["schemes"]),
        "problem": 422,
    }


def generate(folder: Path, language: str, output: str, *options: str) -> None:
    """Generate a client with openapi-generator, a program in Java, which its package on PyPI holds."""
    if not (folder / "venv").exists():
        run(folder, sys.executable, "-m", "venv", "venv")
        run(folder, "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt")
    output_text = run(folder, "openapi-generator-cli", "generate", "-g", language, "-i", DOCUMENT, "-o", output, *options)
    assert "ERROR" not in output_text


def test_openapi_generator_generates_a_working_go_client(folder: Path, server_url: str, fewer_results: dict[str, Any]) -> None:
    # without the prefix, constants of two enumerations have the same name
    generate(folder, "go", "go", "--additional-properties=enumClassPrefix=true")
    # The one library that the client needs validates tags, which these models do not have. Debian has no version of it that is new enough.
    validator = folder / "go" / "vendor" / "gopkg.in" / "validator.v2"
    validator.mkdir(parents=True)
    (validator / "validator.go").write_text("package validator\n\nfunc Validate(interface{}) error { return nil }\n")
    (validator.parents[1] / "modules.txt").write_text("# gopkg.in/validator.v2 v2.0.1\n## explicit\ngopkg.in/validator.v2\n")
    (folder / "go" / "go.mod").write_text("module weight-init/generated\n\ngo 1.19\n\nrequire gopkg.in/validator.v2 v2.0.1\n")
    shutil.copytree(folder / "use_go", folder / "go" / "use_go")
    assert json.loads(run(folder / "go", "go", "run", "./use_go", server_url)) == fewer_results


def test_openapi_generator_generates_a_working_java_client(folder: Path, server_url: str, fewer_results: dict[str, Any]) -> None:
    generate(folder, "java", "java", "--library", "native", "--additional-properties=openApiNullable=false")
    # Debian's package of the annotations, and Jackson, which is in the generator itself
    jar = next((folder / "venv").rglob("openapi-generator.jar"))
    classpath = f"{jar}:/usr/share/java/geronimo-annotation-1.3-spec.jar"
    sources = [str(path) for path in (folder / "java" / "src" / "main").rglob("*.java")]
    run(folder, "javac", "-nowarn", "-cp", classpath, "-d", "java/classes", *sources, "UseJava.java")
    assert json.loads(run(folder, "java", "-cp", f"java/classes:{classpath}", "UseJava", server_url)) == fewer_results


def test_openapi_generator_generates_a_working_typescript_client(folder: Path, server_url: str, fewer_results: dict[str, Any]) -> None:
    run(folder, "npm", "ci", "--silent")
    generate(folder, "typescript-fetch", "fetch", "--additional-properties=importFileExtension=.js")
    run(folder, "tsc", "--project", "tsconfig.fetch.json")
    assert json.loads(run(folder, "node", "built/use_fetch.js", server_url)) == fewer_results


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
