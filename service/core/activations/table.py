"""The registry of activations, one row each, in one file per kind. To add one, add a row with its recommendation to a file."""

from __future__ import annotations

from service.core.activations import gated, rectifiers, sigmoids, special
from service.core.activations.activation import Activation
from service.core.errors import unknown_name
from service.core.names import name_key

_ROWS = (*rectifiers.ROWS, *sigmoids.ROWS, *special.ROWS, *gated.ROWS)

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
ASSUMED_ACTIVATION = ACTIVATIONS["linear"]  # for a layer whose activation is not given

_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_activation(name: str) -> Activation:
    """Return the activation with this name or alias, regardless of case, underscores and hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        known = [name for row in _ROWS for name in (row.name, *row.aliases)]
        raise unknown_name("activation", name, known, kind="activation") from None
