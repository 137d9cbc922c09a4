"""The README and docs/ are complete, and every link, command, setting and metric that they name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache

import httpx
import pytest

from service.contract.request import InitRequest, RecommendRequest
from service.files.formats import FORMATS
from service.settings import Settings
from tests.pages import LINKED, PAGES, ROOT, anchors, links
from tools.documents import depth

MAX_README_LINES = 150
MAX_PICTURE_BYTES = 100_000


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= MAX_README_LINES


def test_the_readme_links_to_every_page() -> None:
    assert PAGES.keys() - {"README.md"} <= set(links(PAGES["README.md"]))


def test_the_picture_is_current() -> None:
    assert depth.FILE.read_text("utf-8") == depth.picture(), "run `python -m tools.documents.depth`"
    assert depth.FILE.stat().st_size < MAX_PICTURE_BYTES


@pytest.mark.parametrize("page", LINKED)
def test_links_point_to_existing_files_and_headings(page: str) -> None:
    for target in links(LINKED[page]):
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target


@pytest.mark.parametrize("page", LINKED)
def test_the_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:`|^|&& )make ([a-z0-9-]+)", LINKED[page], re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_exist(page: str) -> None:
    client_variables = {"WEIGHT_INIT_URL", "WEIGHT_INIT_API_KEY"}
    settings = {f"WEIGHT_INIT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"WEIGHT_INIT_[A-Z_]*[A-Z]", PAGES[page])) <= settings | client_variables


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_and_their_options_exist(page: str) -> None:
    for command, arguments in re.findall(r"\bweight-init (serve|init|recommend|schemes|kernels)\b([^`|>&;\n]*)", PAGES[page]):
        for option in re.findall(r" (--[a-z-]+)", arguments):
            assert f"{option} " in _help(command), f"{command} {option}"


@cache
def _help(command: str) -> str:
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    program = [sys.executable, "-m", "service", command, "--help"]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_http_page_has_every_field_and_format() -> None:
    names = {*InitRequest.model_fields, *RecommendRequest.model_fields, *FORMATS}
    assert {name for name in names if f"`{name}`" not in PAGES["docs/http.md"]} == set()


def test_the_operations_page_has_every_metric(http: httpx.Client) -> None:
    metrics = re.findall(r"^# TYPE (weight_init_\w+) ", http.get("/metrics").text, re.MULTILINE)
    assert len(metrics) >= 10
    assert {name for name in metrics if f"`{name}`" not in PAGES["docs/operations.md"]} == set()
