"""`weight-init recommend` and `weight-init schemes`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli.fields import with_fields_of
from service.cli.output import print_json, print_table
from service.contract import catalogue
from service.contract.advice import recommendation_of
from service.contract.request import RecommendRequest

_TABLE_KEYS = ("scheme", "formula", "stddev", "bound", "gain", "bias", "reason", "reference")
_JSON = Annotated[bool, typer.Option("--json", help="print the JSON of the service (always, unless the output is a terminal)")]


@with_fields_of(RecommendRequest)
def recommend(request: RecommendRequest, json: _JSON = False) -> None:
    """Recommend a scheme for an activation, a layer, or both, and say why."""
    advice = recommendation_of(request)
    if json or not sys.stdout.isatty():
        print_json(advice)
        return
    shown = [(name, value) for name, value in advice.items() if name in _TABLE_KEYS]
    rows = [(name, str(value)) for name, value in shown if value is not None]
    rows += [("or", f"{row['scheme']} {row['parameters'] or ''}: {row['when']}") for row in advice["alternatives"]]
    print_table(rows)


def schemes(json: _JSON = False) -> None:
    """List the schemes."""
    content = catalogue.schemes()
    if json or not sys.stdout.isatty():
        print_json(content)
        return
    print_table(((row["name"], row["formula"], row["summary"]) for row in content["schemes"]), "scheme", "formula", "what it does")
