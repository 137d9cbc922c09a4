"""Options of a command, made from the fields of a request, so that the command line and HTTP have the same ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from service.contract.reading import read_text
from service.contract.request import Request
from service.contract.vocabulary import described_parameter


def with_fields_of(model: type[Request]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add to a command an option for each field of `model` and for each parameter. The command receives them as one request."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(command, eval_str=True).parameters
        options = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, model))
            for name in (*model.model_fields, *model.parameter_names())
        }

        def run(**arguments: Any) -> None:
            fields = [(name, arguments.pop(name)) for name in options]
            command(read_text(model, [(name, text) for name, text in fields if text is not None]), **arguments)

        keywords = [row.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, row in parameters.items() if name != "request"]
        run.__signature__ = inspect.Signature([*options.values(), *keywords])  # type: ignore[attr-defined]  # where Typer looks
        run.__annotations__ = {row.name: row.annotation for row in (*options.values(), *keywords)}
        run.__doc__, run.__name__ = command.__doc__, command.__name__
        return run

    return decorate


def _option(name: str, model: type[Request]) -> Any:
    field = model.model_fields.get(name)
    panel = "Fields" if field else "Parameters of the scheme or the activation"
    text = field.description if field else described_parameter(name)
    return Annotated[str | None, typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel=panel, metavar=name.upper())]
