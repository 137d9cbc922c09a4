"""`weight-init recommend` and `weight-init schemes`: what fits, and what there is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli.fields import with_fields_of
from service.cli.output import print_json, print_table
from service.contract import catalogue
from service.contract.advice import recommendation_of
from service.contract.request import RecommendRequest

_ADVISED = ("scheme", "formula", "stddev", "bound", "gain", "bias", "reason", "reference")
_JSON = Annotated[bool, typer.Option("--json", help="JSON, as the service answers it; without a terminal always")]


@with_fields_of(RecommendRequest)
def recommend(wanted: RecommendRequest, json: _JSON = False) -> None:
    """Say which scheme fits an activation, and why."""
    advice = recommendation_of(wanted)
    if json or not sys.stdout.isatty():
        print_json(advice)
        return
    shown = [(name, value) for name, value in advice.items() if name in _ADVISED]
    rows = [(name, str(value)) for name, value in shown if value is not None]
    rows += [("or", f"{row['scheme']} {row['parameters'] or ''}: {row['when']}") for row in advice["alternatives"]]
    print_table(rows)


def schemes(json: _JSON = False) -> None:
    """List the schemes."""
    listed = catalogue.schemes()
    if json or not sys.stdout.isatty():
        print_json(listed)
        return
    print_table(((row["name"], row["formula"], row["summary"]) for row in listed["schemes"]), "scheme", "formula", "what it does")
