"""The vocabulary of parameters: every name that a scheme or an activation gives one, and what it means for each of them."""

from __future__ import annotations

from service.core.activations import ACTIVATIONS, Activation
from service.core.parameters import Kind, Parameter
from service.core.schemes import SCHEMES, Scheme

OWNERS: tuple[Scheme | Activation, ...] = (*SCHEMES.values(), *ACTIVATIONS.values())

_PARAMETERS: dict[str, list[tuple[str, Parameter]]] = {}
for _owner in OWNERS:
    for _row in _owner.parameters:
        _PARAMETERS.setdefault(_row.name, []).append((_owner.name, _row))

PARAMETER_NAMES = sorted(_PARAMETERS)


def described_parameter(name: str) -> str:
    """What a parameter means, for each scheme and activation that has it."""
    owners_of: dict[str, list[str]] = {}
    for owner, row in _PARAMETERS[name]:
        owners_of.setdefault(row.summary, []).append(owner)
    return "; ".join(f"{summary} (of {', '.join(owners)})" for summary, owners in owners_of.items())


def choices_of(name: str) -> list[str]:
    """The choices of a parameter in any of its schemes."""
    return list(dict.fromkeys(choice for _, row in _PARAMETERS[name] for choice in row.choices))


def parameter_row(name: str) -> Parameter:
    """A parameter's row in the first scheme that has it."""
    return _PARAMETERS[name][0][1]


def is_choice(name: str) -> bool:
    """Whether every scheme and activation that has the parameter takes one of a few words for it."""
    return all(row.kind is Kind.CHOICE for _, row in _PARAMETERS[name])
