"""Common download programs resume, split and cache responses, and get the right file."""

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

QUERY = "/init?shape=2000,1500&activation=relu&seed=7&name=encoder.0"  # 12 MB, enough to split
OPERATIONS = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # nginx is often outside a user's path


def program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def nginx_has_slices() -> bool:
    nginx = program("nginx")
    return nginx is not None and "http_slice_module" in subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr


needs_curl = pytest.mark.skipif(program("curl") is None, reason="curl is not installed")
needs_wget = pytest.mark.skipif(program("wget") is None, reason="wget is not installed")
needs_aria2 = pytest.mark.skipif(program("aria2c") is None, reason="aria2c is not installed")
needs_nginx = pytest.mark.skipif(not nginx_has_slices(), reason="nginx with its slice module is not installed")


@pytest.fixture(scope="module")
def content(http: httpx.Client) -> bytes:
    return http.get(QUERY).content


@pytest.fixture
def url(server_url: str) -> str:
    return server_url + QUERY


def run(*command: str | Path) -> str:
    """Run a program that must succeed, and return its standard output and error."""
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
    """Write the first `nbytes` of a file, as an interrupted download leaves them."""
    file = folder / "w.npy"
    file.write_bytes(content[:nbytes])
    return file


@needs_curl
@pytest.mark.parametrize("nbytes", [0, 1, 5_000_001, 12_000_127])
def test_curl_resumes_a_download(url: str, content: bytes, tmp_path: Path, nbytes: int) -> None:
    file = interrupted(tmp_path, content, nbytes)
    output = run("curl", "-sS", "-C", "-", "-o", file, "-w", "%{http_code} %{size_download}", url)
    assert output == f"{206 if nbytes else 200} {len(content) - nbytes}"
    assert file.read_bytes() == content


@needs_curl
def test_curl_requests_several_ranges_at_once(url: str) -> None:
    output = run("curl", "-sS", "-D", "-", "-o", "/dev/null", "-r", "0-99,500-599", url)
    assert "HTTP/1.1 206" in output
    assert "multipart/byteranges" in output


@needs_wget
@pytest.mark.parametrize("nbytes", [1, 5_000_001, 12_000_127])
def test_wget_resumes_a_download(url: str, content: bytes, tmp_path: Path, nbytes: int) -> None:
    file = interrupted(tmp_path, content, nbytes)
    output = run("wget", "--no-config", "-c", "-S", "-O", file, url)
    assert f"content-range: bytes {nbytes}-12000127/12000128" in output
    assert file.read_bytes() == content


@needs_wget
def test_wget_recognizes_a_complete_file(url: str, content: bytes, tmp_path: Path) -> None:
    file = interrupted(tmp_path, content, len(content))
    assert "already fully retrieved" in run("wget", "--no-config", "-c", "-O", file, url)
    assert file.read_bytes() == content


@needs_aria2
def test_aria2_uses_eight_connections_and_checks_the_digest(url: str, content: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    split = ("-x", "8", "-s", "8", "-k", "1M", "--no-conf", "--file-allocation=none", f"--log={log}", "--log-level=info")
    checked = f"--checksum=sha-256={hashlib.sha256(content).hexdigest()}"
    run("aria2c", *split, checked, "-d", tmp_path, "-o", "w.npy", url)
    assert (tmp_path / "w.npy").read_bytes() == content
    assert len(set(re.findall(r"^Range: bytes=(\d+)-", log.read_text("utf-8"), re.MULTILINE))) >= 7


@contextmanager
def nginx_before(url: str) -> Iterator[httpx.Client]:
    """Yield a client of an nginx that has the configuration in docs/operations.md.

    It listens on a socket in its own folder, because it cannot choose a free port. The folder is not pytest's, whose path may be too
    long for a socket.
    """
    with tempfile.TemporaryDirectory() as prefix:
        folder = Path(prefix)
        (folder / "nginx.conf").write_text(configuration(folder, url), "utf-8")
        command = [program("nginx") or "", "-p", prefix, "-c", "nginx.conf", "-e", f"{prefix}/log"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
            try:
                while not (folder / "nginx.pid").exists():  # nginx listens before it writes this file
                    assert nginx.poll() is None, (folder / "log").read_text("utf-8")
                    time.sleep(0.01)
                transport = httpx.HTTPTransport(uds=f"{prefix}/socket")
                with httpx.Client(base_url="http://nginx", transport=transport, timeout=60) as client:
                    yield client
            finally:
                nginx.terminate()


def configuration(folder: Path, url: str) -> str:
    """Return the configuration of the page, with what it needs to run in a folder."""
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
def test_nginx_caches_slices_and_serves_them_without_the_service(content: bytes) -> None:
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


def curl_speaks_http2() -> bool:
    return program("curl") is not None and "HTTP2" in subprocess.run(["curl", "-V"], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not curl_speaks_http2(), reason="curl with HTTP/2 is not installed")
@pytest.mark.parametrize("body", [False, True])
def test_curl_that_prefers_http2_gets_the_file_over_http_1_1(server_url: str, content: bytes, body: bool, tmp_path: Path) -> None:
    fields = '{"shape": [2000, 1500], "activation": "relu", "seed": 7, "name": "encoder.0"}'
    asking = ("-H", "Content-Type: application/json", "-d", fields, f"{server_url}/init") if body else (server_url + QUERY,)
    assert run("curl", "-sS", "--http2", "-w", "%{http_version} %{http_code}", "-o", tmp_path / "w.npy", *asking) == "1.1 200"
    assert (tmp_path / "w.npy").read_bytes() == content
