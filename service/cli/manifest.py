"""`weight-init manifest`: a manifest from the code of a model, or from the names in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.checkpoints.checkpoint import checkpoint_of
from service.checkpoints.tracing.sources import Traced, from_safetensors, from_timm, from_torch, from_transformers
from service.cli.output import EXIT_IO, EXIT_UNTRACED, fail, print_json, say, write_json
from service.core.errors import InvalidValue
from service.core.tensors.dtypes import find_dtype
from service.core.tensors.tensor import check_seed
from service.files.writing import STANDARD_OUTPUT
from service.settings import Settings

_MAX_NAMED = 20  # tensors that a message names


def manifest(
    transformers: Annotated[
        Path | None, typer.Option("--from-transformers", help="a config.json of transformers, or a folder with one")
    ] = None,
    torch: Annotated[str | None, typer.Option("--from-torch", help="a function that makes a module: package.module:function")] = None,
    timm: Annotated[str | None, typer.Option("--from-timm", help="the name of a model of timm")] = None,
    safetensors: Annotated[Path | None, typer.Option("--from-safetensors", help="a file, for the names and shapes in it alone")] = None,
    args: Annotated[str | None, typer.Option(help="a JSON object of arguments for the function or for timm")] = None,
    seed: Annotated[int | None, typer.Option(help="the seed to write into the manifest")] = None,
    dtype: Annotated[str | None, typer.Option(help="the dtype to write into the manifest")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="file to write, or - for standard output")] = STANDARD_OUTPUT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print only errors")] = False,
) -> None:
    """Print the manifest of a model, from its own code: how it draws each of its tensors.

    weight-init manifest --from-transformers config.json -o manifest.json
    """
    arguments = _arguments(args)
    sources: dict[str, tuple[Any, Callable[[], Traced]]] = {
        "from-transformers": (transformers, lambda: from_transformers(transformers or Path())),
        "from-torch": (torch, lambda: from_torch(torch or "", arguments)),
        "from-timm": (timm, lambda: from_timm(timm or "", arguments)),
        "from-safetensors": (safetensors, lambda: from_safetensors(safetensors or Path())),
    }
    given = [name for name, (value, _) in sources.items() if value is not None]
    if len(given) != 1:
        raise InvalidValue(
            "source", expected=f"one of --{', --'.join(sources)}", received=", ".join(given) or "none", action="Say where the model is."
        )
    if seed is not None:
        check_seed(seed)
    if dtype is not None:
        find_dtype(dtype)
    try:
        traced = sources[given[0]][1]()
    except ImportError as error:
        fail(str(error), EXIT_IO)
    chosen = {name: value for name, value in (("seed", seed), ("dtype", dtype)) if value is not None}
    _write(chosen | traced.manifest, output)
    _report(traced, chosen, quiet=quiet)


def _arguments(text: str | None) -> dict[str, Any]:
    """Read the arguments of a function. Raises InvalidValue."""
    try:
        content = {} if text is None else json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidValue("args", expected='a JSON object, such as {"num_classes": 10}', received=text, action="Quote it for the shell.")
    return content


def _write(content: dict[str, Any], output: Path) -> None:
    if output == STANDARD_OUTPUT:
        print_json(content)
    else:
        write_json(content, output)


def _report(traced: Traced, chosen: dict[str, Any], *, quiet: bool) -> None:
    """Say what was found. Exit with a status of its own if some tensors cannot be drawn yet."""
    if traced.untraced:
        names = ", ".join(traced.untraced[:_MAX_NAMED]) + (" …" if len(traced.untraced) > _MAX_NAMED else "")
        say(f"{len(traced.untraced)} of {len(traced.entries)} tensors: nothing says how they are drawn: {names}", typer.colors.YELLOW)
        say('Add rules for them, such as {"match": "*.weight", "scheme": "normal", "stddev": 0.02}.', typer.colors.YELLOW)
        sys.exit(EXIT_UNTRACED)
    checkpoint_of(chosen | traced.manifest, Settings().limits)  # raises what is above a limit
    if not quiet:
        say(f"{len(traced.entries)} tensors, {len(traced.manifest['rules'])} rules, {len(traced.tied)} tied")
