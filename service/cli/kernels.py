"""`weight-init kernels`: compile the kernels before they are needed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from service.cli.output import EXIT_IO, fail
from service.core.stream import engines
from service.settings import Settings


def kernels() -> None:
    """Compile the kernels for every level of processors, as for an image: no start has to wait for them then.

    They are kept in WEIGHT_INIT_KERNEL_CACHE, else in the user's cache.
    """
    from multiprocessing import get_context

    try:
        from service.core.stream.kernels.compiling import levels_here
    except ImportError as error:
        fail(f"there is nothing to compile: {error}", EXIT_IO)

    for level in levels_here():
        os.environ["NUMBA_CPU_NAME"] = level  # at which Numba looks but once: so each level has a process of its own
        process = get_context("spawn").Process(target=_compile_kernels, args=(Settings().kernel_cache,))
        process.start()
        process.join()
        if process.exitcode:
            fail(f"the kernels for {level} cannot be compiled", EXIT_IO)


def _compile_kernels(cache: Path | None) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("weight_init").setLevel(logging.DEBUG)  # where there is nothing to compile, it says that they are ready
    engines.load_kernels(cache)
