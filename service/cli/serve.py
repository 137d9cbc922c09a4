"""`weight-init serve`: serve over HTTP."""

from __future__ import annotations

import ipaddress
import logging
import logging.config
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.settings import Settings

_log = logging.getLogger("weight_init")


def serve(
    host: Annotated[str | None, typer.Option(help="the address to listen on; WEIGHT_INIT_HOST, else 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="the port; WEIGHT_INIT_PORT, else 8000")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="the processes that serve; WEIGHT_INIT_WORKERS, else 1")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="a PEM file, for HTTPS; WEIGHT_INIT_TLS_CERTIFICATE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="its private key; WEIGHT_INIT_TLS_KEY, else in the same file")] = None,
) -> None:
    """Serve over HTTP, or with a certificate over HTTPS, until interrupted."""
    import uvicorn  # only here: no other command needs it

    from service.web.monitoring.logs import logging_config
    from service.web.monitoring.metrics import watched
    from service.web.protection.connections import protocol_under

    settings = Settings()
    host, workers = host if host is not None else settings.host, workers or settings.workers
    log_config = logging_config(settings.log_format, settings.log_level)
    logging.config.dictConfig(log_config)  # as uvicorn will, for what is said before
    if not settings.key_digests and not _is_loopback(host):
        _log.warning(
            "anybody who reaches %s may ask, as no keys are set: set WEIGHT_INIT_API_KEYS or WEIGHT_INIT_API_KEYS_FILE, or listen on"
            " 127.0.0.1 behind a proxy that asks who it is",
            host,
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # which uvicorn raises again when all is sent: it ended as it was told to
    with watched(host, settings.metrics_port, workers=workers):
        uvicorn.run(
            "service.web.app:create_app",
            factory=True,
            host=host,
            port=port if port is not None else settings.port,
            workers=workers,
            server_header=False,
            access_log=False,  # there is one of our own
            log_config=log_config,
            http=protocol_under(settings),
            ws="none",
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_certfile=tls_certificate or settings.tls_certificate,
            ssl_keyfile=tls_key or settings.tls_key,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
