"""Each client builds, passes its linter and its own tests, and its quickstart prints what its README shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.conformance.clients import CLIENTS, FOLDER, Client
from clients.conformance.features import FEATURES
from clients.conformance.stage import set_stage
from tools.documents.features import features
from tools.documents.parts import with_parts

every_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """The content of the stage, and the JSON file that holds it."""
    folder = tmp_path_factory.mktemp("stage")
    with set_stage(folder) as content:
        file = folder / "stage.json"
        file.write_text(json.dumps(content), "utf-8")
        yield content, file


def run(client: Client, command: str, **environment: str) -> str:
    """Run a command in the client's folder and return its stdout. A failure shows all of its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=client.path,
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{client.folder}: {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def proven() -> dict[str, set[str]]:
    """The features that each client's tests have proven."""
    return {}


@pytest.mark.timeout(900)  # some compile their dependencies
@every_client
def test_builds(client: Client) -> None:
    run(client, client.build)


@pytest.mark.timeout(600)
@every_client
def test_passes_its_linter(client: Client) -> None:
    run(client, client.lint)


@pytest.mark.timeout(600)
@every_client
def test_has_every_feature(client: Client, stage: tuple[Any, Path], tmp_path: Path, proven: dict[str, set[str]]) -> None:
    report = tmp_path / "report"
    output = run(client, client.test, WEIGHT_INIT_STAGE=str(stage[1]), WEIGHT_INIT_REPORT=str(report))
    proven[client.folder] = set(report.read_text("utf-8").split()) if report.exists() else set()
    assert proven[client.folder] == set(FEATURES), output


@pytest.mark.timeout(600)
@every_client
def test_quickstart_prints_what_its_readme_shows(client: Client, stage: tuple[dict[str, Any], Path]) -> None:
    readme = (client.path / "README.md").read_text("utf-8")
    program = (client.path / client.quickstart).read_text("utf-8")
    match = re.search(rf"^```{client.fence}\n(.*?)^```\n.*?^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert match is not None, "expected the program in the README, followed by its output in a text block"
    assert match[1] == program
    assert run(client, client.run, WEIGHT_INIT_URL=stage[0]["url"]) == match[2]


@pytest.mark.timeout(600)
@every_client
def test_benchmark_prints_the_seconds_of_each_fetch(client: Client, stage: tuple[dict[str, Any], Path]) -> None:
    lines = run(client, f"printf 'fetch\\nfetch\\n' | {client.bench}", WEIGHT_INIT_URL=stage[0]["url"]).splitlines()
    assert len(lines) == 2
    assert all(float(line) > 0 for line in lines)


def test_readme_table_matches_the_results(proven: dict[str, set[str]]) -> None:
    """The test writes the table. It fails once when the table changes, so that somebody reviews and commits it."""
    if set(proven) != set(CLIENTS):
        pytest.skip("only some of the clients were tested")
    page = FOLDER / "README.md"
    before = page.read_text("utf-8")
    page.write_text(with_parts(before, {"features": lambda: features(proven)}), "utf-8")
    assert page.read_text("utf-8") == before, "clients/README.md was out of date and has been rewritten: review and commit it"


def test_every_folder_belongs_to_a_client() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert folders - {"conformance", "curl", "build"} == set(CLIENTS)


def test_toolchains_are_installed() -> None:
    missing = [name for name in ("node", "go", "cargo", "javac", "Rscript", "cmake") if shutil.which(name) is None]
    assert not missing, f"missing {missing}: `make test-clients` installs them"
