"""Measures whole models: writing one, the first byte of a large one, and what many tensors in a file cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.servers import Fetcher, weight_init
from benchmarks.timing import Figure, alternate, alternate_timed, median, ratio
from service.checkpoints.checkpoint import Checkpoint, checkpoint_of
from service.checkpoints.shards import WHOLE_NAME, Shards
from service.contract.answer import Limits
from service.core.stream import engines
from service.files.virtual import VirtualFile, block_ranges

_ROOT = Path(__file__).parents[1]
_MIB = 1 << 20
_RUNS = 5
_PRESET = "gpt2-medium"
_LARGEST = "/checkpoint/llama-3-405b/model.safetensors?dtype=bfloat16"
_FILE_ELEMENTS = 2048 * _MIB // 4
_TENSORS = 2000

# What transformers does with the config.json in a folder, in a process of its own.
_TRANSFORMERS = """
import sys, torch, tests.models.operators
from transformers import AutoConfig, AutoModelForCausalLM
model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(sys.argv[1]), dtype=torch.bfloat16)
model.save_pretrained(sys.argv[2])
"""


def measure() -> list[Figure]:
    """Measure all of them."""
    return [*_writing(), *_first_byte(), _many_tensors(), _flat_memory()]


def _writing() -> list[Figure]:
    """Compare the command line with transformers: the time and the peak memory of a process that writes a folder."""
    command = [sys.executable, "-m", "service", "checkpoint", _PRESET, "--seed", "0", "--dtype", "bfloat16", "--quiet", "-o"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, f"{folder}/config"], check=True)
        peaks: dict[str, int] = {}

        def run(name: str, arguments: list[str]) -> float:
            with tempfile.TemporaryDirectory(dir=folder) as output:
                seconds, peaks[name] = _run([*arguments, f"{output}/model"])
            return seconds

        times = alternate_timed(
            {
                "ours": partial(run, "ours", command),
                "transformers": partial(run, "transformers", [sys.executable, "-c", _TRANSFORMERS, f"{folder}/config"]),
            },
            _RUNS,
        )
    description = "transformers from_config and save_pretrained"
    return [
        Figure(
            f"{_PRESET} in bfloat16, from the command to the folder",
            f"{median(times, 'ours'):.2f} s",
            f"{description}: {median(times, 'transformers'):.2f} s",
            ratio(times, "ours", "transformers"),
            0.15,
        ),
        Figure(
            "its peak memory",
            f"{peaks['ours'] / _MIB:.0f} MiB",
            f"{description}: {peaks['transformers'] / _MIB:.0f} MiB",
            peaks["ours"] / peaks["transformers"],
            0.1,
        ),
    ]


def _run(arguments: list[str]) -> tuple[float, int]:
    """Run a process. Return its seconds and its peak memory in bytes."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(_ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{arguments} failed"
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def _first_byte() -> list[Figure]:
    """Measure the first MiB of 405 billion parameters: the first request to a new server, and later ones."""
    cold_s: list[float] = []
    warm_s: list[float] = []
    for _ in range(_RUNS):
        with weight_init() as server:
            fetcher = Fetcher(server.port, _MIB)
            first, *later = [_seconds(fetcher) for _ in range(9)]
            cold_s.append(first)
            warm_s.extend(later)
    cold, warm = statistics.median(cold_s), statistics.median(warm_s)
    return [
        Figure("first MiB of llama-3-405b, the first time", f"{cold:.3f} s", "2 s", cold / 2, 1.0),
        Figure("the same with a warm cache", f"{warm * 1e3:.1f} ms", "50 ms", warm / 0.05, 1.0),
    ]


def _seconds(fetcher: Fetcher) -> float:
    start = time.perf_counter()
    fetcher.get(_LARGEST, f"Range: bytes=0-{_MIB - 1}\r\n")
    return time.perf_counter() - start


def _many_tensors() -> Figure:
    """Compare reading all blocks of a file of many tensors with a file of one, which holds as many elements."""
    engines.load_kernels(None)
    files = {f"{count}": Shards(_normals(count)).shard(WHOLE_NAME).file for count in (_TENSORS, 1)}
    times = alternate({name: partial(_read, file) for name, file in files.items()}, 9)
    return Figure(
        f"reading 2 GiB in {_TENSORS} tensors, one thread",
        f"{median(times, str(_TENSORS)):.3f} s",
        f"in one tensor: {median(times, '1'):.3f} s",
        ratio(times, str(_TENSORS), "1"),
        1.1,
    )


def _normals(count: int) -> Checkpoint:
    tensors = [{"name": f"h.{number}.weight", "shape": [_FILE_ELEMENTS // count]} for number in range(count)]
    return checkpoint_of({"tensors": tensors, "defaults": {"scheme": "normal", "stddev": 0.02}}, Limits())


def _read(file: VirtualFile) -> None:
    for start, stop in block_ranges(0, file.nbytes, _MIB):
        file.read(start, stop)


def _flat_memory() -> Figure:
    """Compare the peak memory of writing a small model to a pipe with that of one that is twenty times as large."""
    peaks = {name: _peak_of_pipe(name) for name in ("gpt2", "gpt2-xl")}
    return Figure(
        "peak memory of gpt2-xl (3.1 GB) to a pipe",
        f"{peaks['gpt2-xl'] / _MIB:.0f} MiB",
        f"gpt2 (0.25 GB): {peaks['gpt2'] / _MIB:.0f} MiB",
        peaks["gpt2-xl"] / peaks["gpt2"],
        1.1,
    )


def _peak_of_pipe(preset: str) -> int:
    command = [sys.executable, "-m", "service", "checkpoint", preset, "--dtype", "bfloat16", "--quiet"]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=nowhere)
        assert process.stdout is not None
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        drain.wait()
    assert process.returncode == 0, "writing to a pipe failed"
    return usage.ru_maxrss * 1024
