"""The vocabulary of parameters: every name, and what it means for each scheme and activation that has it."""

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
    """Describe a parameter for each scheme and activation that has it."""
    owners_of: dict[str, list[str]] = {}
    for owner, row in _PARAMETERS[name]:
        owners_of.setdefault(row.summary, []).append(owner)
    return "; ".join(f"{summary} (of {', '.join(owners)})" for summary, owners in owners_of.items())


def choices_of(name: str) -> list[str]:
    """Return every choice of a parameter, over all schemes and activations that have it."""
    return list(dict.fromkeys(choice for _, row in _PARAMETERS[name] for choice in row.choices))


def parameter_row(name: str) -> Parameter:
    """Return the row of a parameter in the first scheme or activation that has it."""
    return _PARAMETERS[name][0][1]


def is_choice(name: str) -> bool:
    """Return whether the parameter is a choice in every scheme and activation that has it."""
    return all(row.kind is Kind.CHOICE for _, row in _PARAMETERS[name])
