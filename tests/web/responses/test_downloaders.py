"""The programs that people download with, against the service: they resume, split and cache, and get the right file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests.console import ADDRESS, blocks
from tests.serving import serving

QUERY = "/init?shape=2000,1500&activation=relu&seed=7&name=encoder.0"  # 12 MB, so that there is something to split
OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where nginx is, which not everybody has in their path


def program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def has_slices() -> bool:
    nginx = program("nginx")
    return nginx is not None and "http_slice_module" in subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr


needs_curl = pytest.mark.skipif(program("curl") is None, reason="curl is not installed")
needs_wget = pytest.mark.skipif(program("wget") is None, reason="wget is not installed")
needs_aria2 = pytest.mark.skipif(program("aria2c") is None, reason="aria2c is not installed")
needs_nginx = pytest.mark.skipif(not has_slices(), reason="nginx with its slice module is not installed")


@pytest.fixture(scope="module")
def content(http: httpx.Client) -> bytes:
    return http.get(QUERY).content


@pytest.fixture
def url(server_url: str) -> str:
    return server_url + QUERY


def run(*command: str | Path) -> str:
    """What the program says, on whichever of its outputs; it must succeed."""
    done = subprocess.run(
        [program(str(command[0])) or "", *command[1:]],
        env=os.environ | {"LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def interrupted(folder: Path, content: bytes, nbytes: int) -> Path:
    """What an interrupted download leaves."""
    file = folder / "w.npy"
    file.write_bytes(content[:nbytes])
    return file


@needs_curl
@pytest.mark.parametrize("nbytes", [0, 1, 5_000_001, 12_000_127])
def test_curl_resumes(url: str, content: bytes, tmp_path: Path, nbytes: int) -> None:
    file = interrupted(tmp_path, content, nbytes)
    said = run("curl", "-sS", "-C", "-", "-o", file, "-w", "%{http_code} %{size_download}", url)
    assert said == f"{206 if nbytes else 200} {len(content) - nbytes}"
    assert file.read_bytes() == content


@needs_curl
def test_curl_takes_several_ranges_at_once(url: str) -> None:
    said = run("curl", "-sS", "-D", "-", "-o", "/dev/null", "-r", "0-99,500-599", url)
    assert "HTTP/1.1 206" in said
    assert "multipart/byteranges" in said


@needs_wget
@pytest.mark.parametrize("nbytes", [1, 5_000_001, 12_000_127])
def test_wget_resumes(url: str, content: bytes, tmp_path: Path, nbytes: int) -> None:
    file = interrupted(tmp_path, content, nbytes)
    said = run("wget", "--no-config", "-c", "-S", "-O", file, url)
    assert f"content-range: bytes {nbytes}-12000127/12000128" in said
    assert file.read_bytes() == content


@needs_wget
def test_wget_knows_a_file_that_is_whole(url: str, content: bytes, tmp_path: Path) -> None:
    file = interrupted(tmp_path, content, len(content))
    assert "already fully retrieved" in run("wget", "--no-config", "-c", "-O", file, url)
    assert file.read_bytes() == content


@needs_aria2
def test_aria2_takes_it_over_eight_connections_and_checks_the_digest(url: str, content: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    split = ("-x", "8", "-s", "8", "-k", "1M", "--no-conf", "--file-allocation=none", f"--log={log}", "--log-level=info")
    checked = f"--checksum=sha-256={hashlib.sha256(content).hexdigest()}"
    run("aria2c", *split, checked, "-d", tmp_path, "-o", "w.npy", url)
    assert (tmp_path / "w.npy").read_bytes() == content
    assert len(set(re.findall(r"^Range: bytes=(\d+)-", log.read_text("utf-8"), re.MULTILINE))) >= 7


@contextmanager
def nginx_before(url: str) -> Iterator[httpx.Client]:
    """A client of an nginx that is configured as the page on operations says.

    It listens on a socket in its own folder, since it cannot choose a free port; the folder is not pytest's, whose path may be
    longer than that of a socket can be.
    """
    with tempfile.TemporaryDirectory() as prefix:
        folder = Path(prefix)
        (folder / "nginx.conf").write_text(configuration(folder, url), "utf-8")
        command = [program("nginx") or "", "-p", prefix, "-c", "nginx.conf", "-e", f"{prefix}/log"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
            try:
                while not (folder / "nginx.pid").exists():  # it listens before it writes this
                    assert nginx.poll() is None, (folder / "log").read_text("utf-8")
                    time.sleep(0.01)
                transport = httpx.HTTPTransport(uds=f"{prefix}/socket")
                with httpx.Client(base_url="http://nginx", transport=transport, timeout=60) as client:
                    yield client
            finally:
                nginx.terminate()


def configuration(folder: Path, url: str) -> str:
    """The configuration of the page, and what makes it run in a folder for one test."""
    (location,) = blocks(OPERATIONS, "nginx")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
        {"user root;" if os.geteuid() == 0 else ""}
        daemon off;
        pid nginx.pid;
        events {{}}
        http {{
            access_log off;
            {temporary}
            proxy_cache_path {folder}/cache keys_zone=weights:1m;
            add_header X-Cache-Status $upstream_cache_status;
            server {{
                listen unix:{folder}/socket;
                {location.replace(ADDRESS, url)}
            }}
        }}
    """


@needs_nginx
def test_nginx_keeps_slices_and_puts_them_together_without_the_service(content: bytes) -> None:
    with ExitStack() as stack:
        with serving(Settings()) as url:
            nginx = stack.enter_context(nginx_before(url))
            part = nginx.get(QUERY, headers={"Range": "bytes=1500000-3500000"})
            whole = nginx.get(QUERY)
        again = nginx.get(QUERY)
        tail = nginx.get(QUERY, headers={"Range": "bytes=-1000"})
    assert (part.status_code, part.headers["Content-Range"]) == (206, "bytes 1500000-3500000/12000128")
    assert part.content == content[1_500_000:3_500_001]
    assert (whole.status_code, whole.headers["X-Cache-Status"]) == (200, "MISS")
    assert (again.status_code, again.headers["X-Cache-Status"]) == (200, "HIT")
    assert whole.content == again.content == content
    assert (tail.status_code, tail.content) == (206, content[-1000:])
