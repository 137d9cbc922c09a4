"""Mistakes in the environment of the program are one clear line, and change nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.cli.serve import _check_tls
from service.settings import Settings, explain


def start(*arguments: str, optimize: str = "-O", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program without asserts, as nothing may depend on them."""
    command = [sys.executable, optimize, "-m", "service", *arguments]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False, env=os.environ | environment)


# ---- settings


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"api_keys", "api_keys_file"}))
def test_an_empty_variable_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(Settings(), name)
    monkeypatch.setenv(f"WEIGHT_INIT_{name.upper()}", "")
    assert getattr(Settings(), name) == default


@pytest.mark.parametrize("name", ["api_keys", "api_keys_file"])
def test_empty_keys_are_refused_because_they_would_open_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WEIGHT_INIT_{name.upper()}", "")
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("name", ["max_compute_s", "head_timeout_s", "reader_timeout_s", "shutdown_timeout_s", "drain_delay"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e300"])
def test_a_time_is_finite(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WEIGHT_INIT_{name.upper()}", value)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert explain(error.value).startswith(f"WEIGHT_INIT_{name.upper()}: ")


# ---- TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate, its key, the key with a password, another key, and a file that is no PEM."""
    folder = tmp_path_factory.mktemp("tls")
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    for command in (
        (*new, "-keyout", "key.pem", "-out", "certificate.pem"),
        (*new, "-keyout", "another.pem", "-out", "unused.pem"),
        ("openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in", "key.pem", "-out", "secret.pem"),
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "text.pem").write_text("no PEM")
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("none.pem", None, "WEIGHT_INIT_TLS_CERTIFICATE: expected a PEM file; cannot read {folder}/none.pem: No such file or directory."),
        (".", None, "WEIGHT_INIT_TLS_CERTIFICATE: expected a PEM file; cannot read {folder}: Is a directory."),
        ("certificate.pem", "none.pem", "WEIGHT_INIT_TLS_KEY: expected a PEM file; cannot read {folder}/none.pem"),
        ("text.pem", None, "WEIGHT_INIT_TLS_CERTIFICATE: expected a certificate and its private key without a password, in PEM"),
        ("certificate.pem", None, "WEIGHT_INIT_TLS_CERTIFICATE: expected a certificate and its private key without a password, in PEM"),
        ("certificate.pem", "another.pem", "{folder}/certificate.pem and {folder}/another.pem: KEY_VALUES_MISMATCH. Check both files."),
        ("certificate.pem", "secret.pem", "expected a certificate and its private key without a password"),
        (None, "key.pem", "WEIGHT_INIT_TLS_KEY: expected a certificate beside the key; received none. Set WEIGHT_INIT_TLS_CERTIFICATE."),
    ],
)
def test_names_what_is_wrong_with_the_files_of_tls(
    certificate: str | None, key: str | None, expected: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"tls_certificate": certificate, "tls_key": key}
    with pytest.raises(SystemExit, match="2"):
        _check_tls(Settings.model_validate({name: files / file for name, file in given.items() if file is not None}))
    (line,) = capsys.readouterr().err.splitlines()
    assert expected.format(folder=files) in line


def test_does_not_start_without_the_certificate(files: Path) -> None:
    done = start("serve", "--port", "0", "--tls-certificate", str(files / "none.pem"))
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert "WEIGHT_INIT_TLS_CERTIFICATE: expected a PEM file" in line


# ---- the rest of the environment


def test_names_the_port_that_another_program_uses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = start("serve", "--port", str(port), WEIGHT_INIT_ENGINE="numpy")
    assert done.returncode == 3  # uvicorn's
    assert b"Traceback" not in done.stderr
    assert f"('127.0.0.1', {port}): address already in use".encode() in done.stderr


@pytest.mark.parametrize(
    ("encoding", "arguments"),
    [
        ("latin-1", ("--help",)),
        ("ascii", ("init", "--help")),
        ("latin-1", ("schemes",)),
        ("ascii", ("init", "--shape", "²")),
    ],
)
def test_prints_in_any_encoding(encoding: str, arguments: tuple[str, ...]) -> None:
    done = start(*arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C", COLUMNS="200")
    assert b"Traceback" not in done.stderr
    assert done.returncode == (2 if "--shape" in arguments else 0)


def test_does_not_serve_without_its_descriptions() -> None:
    done = start("serve", "--port", "0", optimize="-OO", WEIGHT_INIT_ENGINE="numpy")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.decode().splitlines() if "CRITICAL" in line]
    assert "cannot start: PYTHONOPTIMIZE: expected at most 1" in line
    assert b"Traceback" not in done.stderr


def test_computes_the_same_without_docstrings() -> None:
    arguments = ("init", "--shape", "4,4", "--seed", "7", "--format", "raw")
    assert start(*arguments, optimize="-OO").stdout == start(*arguments).stdout != b""
