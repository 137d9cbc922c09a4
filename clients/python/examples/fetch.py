"""Fetches 64 MiB of weights into an array for each line on stdin, and prints the seconds it took."""

from __future__ import annotations

import sys
import time

from weight_init import Client


def main() -> None:
    """Fetch once to warm up, then once for each line, all with one client."""
    with Client() as client:
        _fetch_s(client)
        for _ in sys.stdin:
            print(_fetch_s(client), flush=True)


def _fetch_s(client: Client) -> float:
    start = time.monotonic()
    client.init((4096, 4096), scheme="normal", seed=7)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
