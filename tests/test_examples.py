"""Every example in the README and in docs/ runs, and prints what the page shows."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console import ADDRESS, blocks, is_shown, sessions, shell
from tests.pages import PAGES, ROOT
from tests.processes import until

# Each call that prints is followed by a comment with its output.
OUTPUT = re.compile(r"^ *(?:print|console\.log)\(.*\);? *(?:#|//) (.*)$", re.MULTILINE)

# `sh` blocks install, build and serve. test_pages.py checks the commands, options and settings in them, and the last test below runs the
# one with keys. tests/deploy and tests/web run the `nginx` block, and tests/container runs the image.
LANGUAGES = {"console", "python", "javascript", "sh", "nginx"}


def examples(language: str) -> list[Any]:
    """Return the blocks in a language as test parameters, named after their page."""
    return [
        pytest.param(block, id=f"{page}-{number}") for page, text in PAGES.items() for number, block in enumerate(blocks(text, language), 1)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the only file of the repository that an example reads."""
    golden = tmp_path / "tests" / "golden" / "golden.json"
    golden.parent.mkdir(parents=True)
    golden.symlink_to(ROOT / "tests" / "golden" / "golden.json")
    return tmp_path


@pytest.fixture(scope="session")
def _kernels() -> None:
    """Compile the kernels, which a command says that it does when it is the first to need them."""
    subprocess.run([sys.executable, "-m", "service", "kernels"], cwd=ROOT, check=True)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
@pytest.mark.parametrize("block", examples("console"))
def test_a_console_example_prints_what_the_page_shows(block: str, server_url: str, folder: Path) -> None:
    for command, shown in sessions(block):
        output = shell(command, server_url, folder)
        assert is_shown(output, shown), f"{command}\n{output}"


def _missing_framework(block: str) -> str | None:
    imported = [name for name in ("torch", "jax", "keras") if re.search(rf"^import (.*, )?{name}\b", block, re.MULTILINE)]
    return next((name for name in imported if importlib.util.find_spec(name) is None), None)


@pytest.mark.parametrize("block", examples("python"))
def test_a_python_example_prints_what_the_page_shows(block: str, server_url: str, folder: Path) -> None:
    if framework := _missing_framework(block):
        pytest.skip(f"{framework} is not installed; `make test-frameworks` installs and runs it")
    _check_output([sys.executable, "example.py"], block, server_url, folder)


@pytest.mark.skipif(shutil.which("node") is None, reason="the example needs Node.js 18 or newer")
@pytest.mark.parametrize("block", examples("javascript"))
def test_a_javascript_example_prints_what_the_page_shows(block: str, server_url: str, folder: Path) -> None:
    _check_output(["node", "example.mjs"], block, server_url, folder)


def _check_output(command: list[str], block: str, server_url: str, folder: Path) -> None:
    (folder / command[-1]).write_text(block.replace(ADDRESS, server_url), "utf-8")
    environment = os.environ | {"WEIGHT_INIT_URL": server_url, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    shown = "".join(f"{line}\n" for line in OUTPUT.findall(block))
    assert is_shown(done.stdout, shown), done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_in_a_tested_language(page: str) -> None:
    fences = re.findall(r"^ *```(.*)$", PAGES[page], re.MULTILINE)
    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) <= {""}


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_console_block_is_tested(page: str) -> None:
    for block in blocks(PAGES[page], "console"):
        assert "".join(f"$ {command}\n{shown}" for command, shown in sessions(block)) == block.replace("\n> ", "\n")


def test_finds_the_examples() -> None:
    assert len(blocks(PAGES["README.md"], "python")) == 2
    assert len(blocks(PAGES["README.md"], "javascript")) == 1
    assert len([command for row in examples("console") for command in sessions(row.values[0])]) >= 40


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "openssl"))), reason="the example needs curl and openssl")
def test_a_service_with_keys_and_a_certificate_works_as_the_page_shows(tmp_path: Path) -> None:
    (block,) = (block for block in blocks(PAGES["docs/operations.md"], "sh") if "--tls-certificate" in block)
    make_key, serve, ask = block.splitlines()
    _bash(make_key, tmp_path)
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    _bash(f"{request} -keyout key.pem -out chain.pem", tmp_path)
    with _started(serve, tmp_path) as url:
        _bash(ask.replace("https://weights.example.org:8000", url).replace("curl", "curl --fail --cacert chain.pem"), tmp_path)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))
        assert httpx.get(f"{url}/schemes", verify=trusted).status_code == 401
    assert (tmp_path / "w.npy").read_bytes().startswith(b"\x93NUMPY")


def _bash(command: str, folder: Path) -> None:
    subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True)


@contextmanager
def _started(serve: str, folder: Path) -> Iterator[str]:
    """Run the page's `weight-init serve` on a free port of the loopback interface. The value is its address."""
    command = serve.replace("weight-init serve", f"exec {sys.executable} -m service serve --port 0").replace("0.0.0.0", "127.0.0.1")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    log = folder / "log"
    with log.open("w") as file, subprocess.Popen(["bash", "-c", command], cwd=folder, env=environment, stderr=file) as process:
        try:
            until(lambda: process.poll() is not None or "running on" in log.read_text("utf-8"))
            (url,) = re.findall(r"running on (https://[\d.:]+)", log.read_text("utf-8"))
            yield url
        finally:
            process.terminate()
