"""`weight-init serve`: serve over HTTP."""

from __future__ import annotations

import ipaddress
import logging
import logging.config
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.output import EXIT_INVALID, fail
from service.settings import Settings

_log = logging.getLogger("weight_init")


def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on (default: WEIGHT_INIT_HOST, or 127.0.0.1)")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port to listen on (default: WEIGHT_INIT_PORT, or 8000)")] = None,
    uds: Annotated[
        Path | None, typer.Option(help="Unix socket to listen on, in place of an address and a port (default: WEIGHT_INIT_UDS)")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="number of server processes (default: WEIGHT_INIT_WORKERS, or 1)")] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="certificate chain for HTTPS, a PEM file (default: WEIGHT_INIT_TLS_CERTIFICATE)")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="private key, a PEM file (default: WEIGHT_INIT_TLS_KEY, or the file of the certificate)")
    ] = None,
) -> None:
    """Serve over HTTP, or over HTTPS with a certificate, until interrupted."""
    _open_log()
    if uds is not None and (host is not None or port is not None):
        other = "--port" if host is None else "--host"
        fail(f"--uds: expected neither --host nor --port beside it; received {other}. Leave one of them out.", EXIT_INVALID)
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "uds": uds,
        "workers": workers,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
    }
    _run(Settings(**{name: value for name, value in options.items() if value is not None}))


def _open_log() -> None:
    """Prepare stderr for the log. In the JSON format, this reports an invalid setting as JSON too."""
    from service.web.monitoring.logs import logging_config
    from service.web.monitoring.stderr import open_standard_files

    open_standard_files()
    if os.environ.get("WEIGHT_INIT_LOG_FORMAT") == "json":
        logging.config.dictConfig(logging_config("json"))


def _run(settings: Settings) -> None:
    import uvicorn  # imported here because no other command needs it

    from service.web import event_loop
    from service.web.monitoring.logs import logging_config
    from service.web.monitoring.metrics import counted_together
    from service.web.monitoring.metrics_port import serving_metrics
    from service.web.protection.connections import protocol_under
    from service.web.protection.descriptors import possible_connections
    from service.web.signals import ignore

    log_config = logging_config(settings.log_format, settings.log_level)
    logging.config.dictConfig(log_config)  # Uvicorn does the same later; this is for messages before that.
    _check_tls(settings)
    _prepare_socket(settings)
    _warn_if_open(settings)
    settings = settings.model_copy(update={"max_connections": possible_connections(settings.max_connections)})
    ignore()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # Uvicorn raises it again after the last response; exit with status 0.
    with counted_together(settings.workers), serving_metrics(settings):
        uvicorn.run(
            "service.web.app:create_app_or_exit",
            factory=True,
            host=settings.host,
            port=settings.port,
            uds=None if settings.uds is None else str(settings.uds),
            workers=settings.workers,
            server_header=False,
            access_log=False,  # the service writes its own
            log_config=log_config,
            http=protocol_under(settings),
            loop=event_loop.NAME,
            ws="none",
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
        )


def _check_tls(settings: Settings) -> None:
    """Fail if HTTPS is not possible with these files. Uvicorn would show a traceback, or ask for the password of the key."""
    import ssl

    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None:
        if key is not None:
            fail(
                "WEIGHT_INIT_TLS_KEY: expected a certificate beside the key; received none. Set WEIGHT_INIT_TLS_CERTIFICATE.", EXIT_INVALID
            )
        return
    for name, file in {"WEIGHT_INIT_TLS_CERTIFICATE": certificate, "WEIGHT_INIT_TLS_KEY": key or certificate}.items():
        try:
            file.read_bytes()
        except OSError as error:
            fail(f"{name}: expected a PEM file; cannot read {file}: {error.strerror}.", EXIT_INVALID)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        fail(
            f"WEIGHT_INIT_TLS_CERTIFICATE: expected a certificate and its private key without a password, in PEM; received {certificate}"
            f"{'' if key is None else f' and {key}'}: {error.reason or error}. Check both files.",
            EXIT_INVALID,
        )


def _prepare_socket(settings: Settings) -> None:
    """Fail if no Unix socket can be made at the path, and remove one that a server which was killed has left there."""
    path = settings.uds
    if path is None:
        return
    if not hasattr(socket, "AF_UNIX"):
        fail("WEIGHT_INIT_UDS: expected a system with Unix sockets; this one has none. Listen on an address and a port.", EXIT_INVALID)
    if settings.tls_certificate is not None:
        fail("WEIGHT_INIT_UDS: expected no certificate with a Unix socket; received one. Leave one of them out.", EXIT_INVALID)
    if not path.parent.is_dir():
        fail(f"WEIGHT_INIT_UDS: expected a path in a folder that exists; received {path}. Make the folder {path.parent}.", EXIT_INVALID)
    if path.exists() and not path.is_socket():
        fail(f"WEIGHT_INIT_UDS: expected the path of a new socket; {path} is something else. Use another path.", EXIT_INVALID)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
        except OSError as error:
            fail(f"WEIGHT_INIT_UDS: cannot use {path}: {error.strerror or error}. Use another path.", EXIT_INVALID)
        else:
            fail(f"WEIGHT_INIT_UDS: another server listens on {path}. Use another path, or stop that server.", EXIT_INVALID)


def _warn_if_open(settings: Settings) -> None:
    if settings.uds is None and not settings.key_digests and not _is_loopback(settings.host):
        _log.warning(
            "every client that reaches %s is served, as no keys are set. Set WEIGHT_INIT_API_KEYS or WEIGHT_INIT_API_KEYS_FILE, or listen"
            " on 127.0.0.1 behind a proxy that authenticates clients",
            settings.host,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
