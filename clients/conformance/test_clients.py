"""Each client is built, linted, tested on the stage by its own tests, and its quickstart does what its README shows."""

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
    """What is on it, and the file that says so."""
    folder = tmp_path_factory.mktemp("stage")
    with set_stage(folder) as content:
        file = folder / "stage.json"
        file.write_text(json.dumps(content), "utf-8")
        yield content, file


def run(client: Client, command: str, **environment: str) -> str:
    """What a command prints on stdout, in the client's folder; all that it prints when it fails."""
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
def shown() -> dict[str, set[str]]:
    """The features that each client's test has shown."""
    return {}


@pytest.mark.timeout(900)  # some compile what they need
@every_client
def test_it_is_built(client: Client) -> None:
    run(client, client.build)


@pytest.mark.timeout(600)
@every_client
def test_its_style_is_clean(client: Client) -> None:
    run(client, client.lint)


@pytest.mark.timeout(600)
@every_client
def test_it_has_every_feature(client: Client, stage: tuple[Any, Path], tmp_path: Path, shown: dict[str, set[str]]) -> None:
    report = tmp_path / "report"
    output = run(client, client.test, WEIGHT_INIT_STAGE=str(stage[1]), WEIGHT_INIT_REPORT=str(report))
    shown[client.folder] = set(report.read_text("utf-8").split()) if report.exists() else set()
    assert shown[client.folder] == set(FEATURES), output


@pytest.mark.timeout(600)
@every_client
def test_its_quickstart_does_what_its_readme_shows(client: Client, stage: tuple[dict[str, Any], Path]) -> None:
    readme = (client.path / "README.md").read_text("utf-8")
    program = (client.path / client.quickstart).read_text("utf-8")
    found = re.search(rf"^```{client.fence}\n(.*?)^```\n.*?^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert found is not None, "the README shows the program, and then its output in a block of text"
    assert found[1] == program
    assert run(client, client.run, WEIGHT_INIT_URL=stage[0]["url"]) == found[2]


@pytest.mark.timeout(600)
@every_client
def test_its_benchmark_fetches_at_each_line(client: Client, stage: tuple[dict[str, Any], Path]) -> None:
    lines = run(client, f"printf 'fetch\\nfetch\\n' | {client.bench}", WEIGHT_INIT_URL=stage[0]["url"]).splitlines()
    assert len(lines) == 2
    assert all(float(line) > 0 for line in lines)


def test_the_table_says_what_was_shown(shown: dict[str, set[str]]) -> None:
    """The run writes it; one that is not current fails once, so that it is seen and committed."""
    if set(shown) != set(CLIENTS):
        pytest.skip("only some of the clients were tested")
    page = FOLDER / "README.md"
    before = page.read_text("utf-8")
    page.write_text(with_parts(before, {"features": lambda: features(shown)}), "utf-8")
    assert page.read_text("utf-8") == before, "clients/README.md was renewed: look at it, and commit it"


def test_every_folder_is_a_client() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert folders - {"conformance", "curl", "build"} == set(CLIENTS)


def test_a_missing_toolchain_fails() -> None:
    missing = [name for name in ("node", "go", "cargo", "javac", "Rscript", "cmake") if shutil.which(name) is None]
    assert not missing, f"`make test-clients` installs them: {missing}"
