"""`weight-init kernels`: compile the kernels in advance."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

from service.cli.output import EXIT_INVALID, EXIT_IO, fail
from service.core.stream import engines
from service.settings import Settings


def kernels() -> None:
    """Compile the kernels for every level of processors, for example in a container image, so that later starts are quick.

    The compiled kernels are stored in WEIGHT_INIT_KERNEL_CACHE, or else in the user's cache.
    """
    from multiprocessing import get_context

    try:
        from service.core.stream.kernels.cache import KernelCache
        from service.core.stream.kernels.compiling import levels_here
    except ImportError as error:
        fail(f"cannot compile the kernels: {error}", EXIT_IO)

    cache = Settings().kernel_cache or engines.default_cache()
    if cache is None:
        fail("WEIGHT_INIT_KERNEL_CACHE: expected a folder, as this user has no home folder; received none. Set it.", EXIT_INVALID)
    for level in levels_here():
        if not KernelCache(cache, level).is_sound:
            _require_writable(cache)
        os.environ["NUMBA_CPU_NAME"] = level  # Numba reads it only once, so each level has its own process.
        process = get_context("spawn").Process(target=_compile_kernels, args=(cache,))
        process.start()
        process.join()
        if process.exitcode:
            fail(f"cannot compile and keep the kernels for {level}", EXIT_IO)


def _require_writable(cache: Path) -> None:
    """Fail before anything is compiled, because that takes long."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except OSError as error:
        fail(
            f"WEIGHT_INIT_KERNEL_CACHE: expected a folder that can be written; received {cache}: {error.strerror}. Set another folder.",
            EXIT_IO,
        )


def _compile_kernels(cache: Path) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("weight_init").setLevel(logging.DEBUG)  # kernels that are already compiled are logged at this level
    engines.load_kernels(cache)
    from service.core.stream.kernels.cache import KernelCache
    from service.core.stream.kernels.compiling import LEVEL

    if not KernelCache(cache, LEVEL).is_sound:  # the log says why
        sys.exit(EXIT_IO)
