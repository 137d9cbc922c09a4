"""The registry of activations: a row each, in files by kind. To add an activation, add a row, with its recommendation, to one of them."""

from __future__ import annotations

from service.core.activations import gated, rectifiers, sigmoids, special
from service.core.activations.activation import Activation
from service.core.errors import unknown_name
from service.core.names import name_key

_ROWS = (*rectifiers.ROWS, *sigmoids.ROWS, *special.ROWS, *gated.ROWS)

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
ASSUMED_ACTIVATION = ACTIVATIONS["linear"]  # for a layer whose activation nobody named

_BY_KEY = {name_key(name): row for row in _ROWS for name in (row.name, *row.aliases)}


def find_activation(name: str) -> Activation:
    """The row of a name or an alias, whatever its case, underscores or hyphens. Raises UnknownName."""
    try:
        return _BY_KEY[name_key(name)]
    except KeyError:
        known = [name for row in _ROWS for name in (row.name, *row.aliases)]
        raise unknown_name("activation", name, known, kind="activation") from None
