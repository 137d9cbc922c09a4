"""`weight-init checkpoint` and `weight-init checkpoints`: whole models, and the list of those that have a name."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from service.checkpoints import catalogue
from service.checkpoints.folder import write_folder
from service.checkpoints.manifest import read_object
from service.checkpoints.opening import Opened, open_checkpoint
from service.checkpoints.request import CheckpointRequest, request_from_object, request_from_pairs
from service.checkpoints.shards import CONFIG_NAME, WHOLE_NAME
from service.cli.output import EXIT_INVALID, fail, print_json, print_table, say, size
from service.cli.writing import PROGRESS_FROM_BYTES, cleanup_before_signal, load_kernels_for, progress, with_kernels_if_too_slow
from service.contract.documents import CheckpointSummary
from service.core.errors import InvalidValue
from service.core.tensors.dtypes import DTYPES
from service.files.writing import STANDARD_OUTPUT, is_standard_output, write_file
from service.settings import Settings

_JSON = Annotated[bool, typer.Option("--json", help="print JSON (always, unless the output is a terminal)")]


def checkpoint(
    source: Annotated[
        str, typer.Argument(help="a preset (`weight-init checkpoints` lists them), a manifest.json, or a config.json or its folder")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="folder to write, or a file that ends in .safetensors, or - for standard output")
    ] = STANDARD_OUTPUT,
    seed: Annotated[str | None, typer.Option(help="an integer from 0 to 2^64 - 1 (default: that of the manifest, else 0)")] = None,
    dtype: Annotated[str | None, typer.Option(help=f"{', '.join(DTYPES)} (default: that of the source, else float32)")] = None,
    variant: Annotated[str | None, typer.Option(help="whose rules draw a model (default: those of its library)")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="a field of the config.json, such as num_hidden_layers=2")
    ] = None,
    shard_size: Annotated[str | None, typer.Option(help="largest file in a folder (default: 5GB)")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what the checkpoint holds and how, and write nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace the files of another checkpoint in the folder")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print only errors")] = False,
    json: _JSON = False,
) -> None:
    """Write the initial weights of a whole model.

    weight-init checkpoint gpt2 --seed 0 --dtype bfloat16 -o gpt2/
    """
    settings = Settings()
    request = _request(source, _pairs(overrides or [], seed=seed, dtype=dtype, variant=variant), settings)
    opened = with_kernels_if_too_slow(lambda: open_checkpoint(request, settings.limits, shard_size), settings, quiet=quiet)
    if dry_run:
        _print_summary(opened.summary, as_json=json)
        return
    load_kernels_for(opened.checkpoint.seconds, settings, quiet=quiet)
    present = _write(opened, output, force=force, quiet=quiet)
    if not quiet:
        _report(opened.summary, present)


def checkpoints(json: _JSON = False) -> None:
    """List the models that have a name."""
    content = catalogue.presets()
    if json or not sys.stdout.isatty():
        print_json(content)
        return
    rows = ((row["name"], row["architecture"], f"{row['parameters']:,}", size(row["bytes"]["bfloat16"])) for row in content["presets"])
    print_table(rows, "model", "architecture", "parameters", "bfloat16")


def _pairs(overrides: list[str], **options: str | None) -> list[tuple[str, str]]:
    """Return the fields of the options and of --set. Raises InvalidValue."""
    pairs = [(name, value) for name, value in options.items() if value is not None]
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidValue("set", expected="FIELD=VALUE", received=text, action="Write --set num_hidden_layers=2.")
        pairs.append((name, value))
    return pairs


def _request(source: str, pairs: list[tuple[str, str]], settings: Settings) -> CheckpointRequest:
    """Return the request for a source: a file or folder, or else a preset. Raises InvalidRequest, InitError, OSError."""
    path = Path(source)
    if not (path.suffix == ".json" or path.exists() or os.sep in source or source == str(STANDARD_OUTPUT)):
        return request_from_pairs(pairs, preset=source)
    return _with_options(
        request_from_object(read_object(_read(path), max_tensors=settings.max_checkpoint_tensors)), request_from_pairs(pairs)
    )


def _with_options(requested: CheckpointRequest, options: CheckpointRequest) -> CheckpointRequest:
    """Return the request of a file with what the options replace. Raises InvalidValue for options that a manifest does not have."""
    if requested.manifest is not None:
        for name in [*options.overrides, *(["variant"] if options.variant else [])]:
            raise InvalidValue(
                name, expected="a preset or a config.json, which has this field", received="a manifest", action="Leave it out."
            )
    return replace(
        requested,
        overrides={**requested.overrides, **options.overrides},
        seed=requested.seed if options.seed is None else options.seed,
        dtype=options.dtype or requested.dtype,
        variant=options.variant or requested.variant,
    )


def _read(path: Path) -> bytes:
    if path == STANDARD_OUTPUT:
        return sys.stdin.buffer.read()
    file = path / CONFIG_NAME if path.is_dir() else path
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise InvalidValue(
            "source", expected="a preset, or a file that exists", received=str(file), action="`weight-init checkpoints` lists the presets."
        ) from None


def _write(opened: Opened, output: Path, *, force: bool, quiet: bool) -> int:
    """Write a file or a folder. Return how many files of the folder were complete before."""
    is_stdout = is_standard_output(output)
    if is_stdout and os.isatty(1):
        fail("output: expected a folder, a file or a pipe; received a terminal. Name a folder: -o model/", EXIT_INVALID)
    is_folder = not is_stdout and output.suffix != ".safetensors" and (output.is_dir() or not output.exists())
    files = [shard.file for shard in opened.shards] if is_folder else [opened.shards.shard(WHOLE_NAME).file]
    nbytes = sum(file.nbytes for file in files)
    shown = not quiet and nbytes >= PROGRESS_FROM_BYTES
    with cleanup_before_signal(), progress(WHOLE_NAME if is_stdout else output.name, nbytes, shown=shown) as advance:
        if is_folder:
            return write_folder(opened.shards, output, opened.config, force=force, advance=advance)
        write_file(files[0], output, advance=advance)
        return 0


def _print_summary(summary: CheckpointSummary, *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        print_json(summary)
        return
    names = ("model", "variant", "seed", "dtype", "tensors", "parameters", "elements")
    facts = dict(summary)
    print_table(
        [(name, f"{facts[name]:,}" if name in names[4:] else str(facts[name])) for name in names if facts[name] is not None]
        + [("size", size(summary["bytes"])), ("files", _files(summary["files"]))]
    )
    print_table(
        (
            (
                row["match"],
                row["scheme"],
                ", ".join(f"{name}={value}" for name, value in row["parameters"].items()),
                "" if row["stddev"] is None else f"{row['stddev']:.6g}",
                f"{row['tensors']:,}",
                f"{row['elements']:,}",
            )
            for row in summary["rules"]
        ),
        *("tensors", "scheme", "parameters", "stddev", "count", "elements"),
    )


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)}: {names[0]} …"


def _report(summary: CheckpointSummary, present: int) -> None:
    name = summary["model"] or "checkpoint"
    kept = f", {present} of {len(summary['files'])} files were there" if present else ""
    say(f"{name}: {summary['tensors']} tensors, {size(summary['bytes'])}, {summary['dtype']}, seed {summary['seed']}{kept}")
    for warning in summary["warnings"]:
        say(f"warning: {warning}", typer.colors.YELLOW)
