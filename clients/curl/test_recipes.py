"""Runs every recipe of the README. Recipes for errors also run against services that are busy, need a key, hang or lose connections."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clients.conformance.cutting import cutting_proxy
from service.settings import Settings
from tests.console import blocks, is_shown, sessions, shell
from tests.serving import serving

PAGE = (Path(__file__).with_name("README.md")).read_text("utf-8")
BLOCKS = blocks(PAGE, "console")
KEY = "f9a8d7c6b5e4f3a2918070605040302010"


@pytest.fixture(scope="module", autouse=True)
def _require_programs() -> None:
    """Fail, rather than skip, when a program is missing: a recipe that does not run proves nothing."""
    missing = [name for name in ("curl", "jq", "wget", "aria2c", "openssl", "xargs") if shutil.which(name) is None]
    assert not missing, f"the recipes need {', '.join(missing)}: apt-get install curl jq wget aria2 openssl findutils"
    version = re.match(r"curl (\d+)\.(\d+)", subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (7, 83), f"the recipes need curl 7.83 or newer; this is {version[0]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all recipes run, one after the other."""
    return tmp_path_factory.mktemp("recipes")


@pytest.fixture(autouse=True)
def _set_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHT_INIT_API_KEY", KEY)


def recipe(option: str) -> list[str]:
    """Return the commands of the only block that contains `option`."""
    (block,) = (block for block in BLOCKS if option in block)
    return [command for command, _ in sessions(block)]


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=lambda number: sessions(BLOCKS[number])[0][0][:60])
def test_recipe_prints_what_the_readme_shows(number: int, server_url: str, folder: Path) -> None:
    for command, shown in sessions(BLOCKS[number]):
        output = shell(command, server_url, folder)
        assert is_shown(output, shown), f"{command}\n{output}"


def test_finds_every_command_of_the_readme() -> None:
    commands = [command for block in BLOCKS for command, _ in sessions(block)]
    assert len(commands) == len(re.findall(r"^\$ ", PAGE, re.MULTILINE)) >= 30


def test_retry_recipe_succeeds_after_the_rate_limit(tmp_path: Path) -> None:
    (command,) = recipe("--retry ")
    with serving(Settings(rate="1/second")) as url:
        while httpx.get(f"{url}/schemes").status_code != 429:
            pass
        shell(command, url, tmp_path)
    assert (tmp_path / "w.npy").read_bytes().startswith(b"\x93NUMPY")


def test_key_recipe_sends_the_key_from_a_private_file(server_url: str, tmp_path: Path) -> None:
    commands = recipe("key.txt")
    with serving(Settings.model_validate({"api_keys": KEY})) as url:
        assert httpx.get(f"{url}/schemes").status_code == 401
        for command in commands:
            shell(command, url, tmp_path)
    assert (tmp_path / "key.txt").stat().st_mode & 0o077 == 0
    assert (tmp_path / "w.npy").read_bytes() == httpx.get(f"{server_url}/init?shape=256,784&activation=relu&seed=7").content


def test_resume_recipe_completes_a_download_that_keeps_breaking(server_url: str, tmp_path: Path) -> None:
    (command,) = recipe("until curl")
    with cutting_proxy(urlsplit(server_url).port or 0, after_bytes=1 << 20) as url:
        assert shell(command, url, tmp_path).count("curl: (") == 2
    assert (tmp_path / "whole.npy").read_bytes() == httpx.get(f"{server_url}/init?shape=1000,600&seed=7").content


def test_resume_recipe_stops_when_the_service_refuses_the_request(server_url: str, tmp_path: Path) -> None:
    (command,) = recipe("until curl")
    assert "422" in shell(command.replace("shape=", "scheme=he_norml&shape="), server_url, tmp_path)


def test_timeout_recipe_gives_up_on_a_silent_service(tmp_path: Path) -> None:
    (command,) = recipe("--speed-time")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        output = shell(f"{command.replace('--speed-time 30', '--speed-time 1')} || [ $? = 28 ]", url, tmp_path)
    assert "Operation too slow" in output


def test_links_point_to_existing_files() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert Path(__file__).parent.joinpath(target).exists(), target
