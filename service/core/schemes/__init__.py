"""The registry of schemes, one row each. Everything that lists or checks schemes derives from these rows.

A row turns its parameters and the fans into a `Distribution`. To add a scheme, add a row to a file in this folder and a golden
answer to tests/golden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.core.errors import unknown_name
from service.core.layers.fans import Mode
from service.core.names import library_of, name_key
from service.core.parameters import Kind, Parameter
from service.core.schemes import depth, elementary, formulas, gates, placed, scaled, special
from service.core.schemes.library_layers import LIBRARY_DEFAULT
from service.core.schemes.scheme import GAIN_OR_CHOICE, Alias, Scheme

__all__ = [
    "DEFAULT_SCHEME",
    "DISTRIBUTIONS",
    "FAMILIES",
    "SCHEMES",
    "Alias",
    "Scheme",
    "family_named",
    "family_of",
    "find_scheme",
    "translated",
]

DEFAULT_SCHEME = "auto"
DISTRIBUTIONS = ("normal", "truncated_normal", "uniform")

_AUTO = Scheme(
    "auto",
    "The scheme recommended for the layer and the activation.",
    "as the recommended scheme",
    None,
    None,
    (
        GAIN_OR_CHOICE,
        Parameter("mode", "the fan to divide by, if the chosen scheme has that parameter", kind=Kind.CHOICE, choices=tuple(Mode)),
        Parameter(
            "distribution",
            "the distribution to draw from; by default the recommended one",
            kind=Kind.CHOICE,
            choices=DISTRIBUTIONS,
        ),
        Parameter(
            "num_layers",
            "the number of layers (Transformer blocks) in the network, for a `layer` whose scale depends on it",
            kind=Kind.INTEGER,
            minimum=1,
        ),
    ),
)

_ROWS = (_AUTO, *elementary.ROWS, *scaled.ROWS, *placed.ROWS, *gates.ROWS, *formulas.ROWS, *depth.ROWS, *special.ROWS, LIBRARY_DEFAULT)

SCHEMES: dict[str, Scheme] = {row.name: row for row in _ROWS}

# family -> distribution -> the scheme that draws from it, with its parameters
FAMILIES: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {
    family: {
        "normal": (f"{family}_normal", {}),
        "truncated_normal": (f"{family}_normal", {"distribution": "truncated_normal"}),
        "uniform": (f"{family}_uniform", {}),
    }
    for family in ("xavier", "he", "lecun")
}
_FAMILY_NAMES = {
    f"{name}{ending}": family
    for name, family in {"xavier": "xavier", "glorot": "xavier", "he": "he", "kaiming": "he", "msra": "he", "lecun": "lecun"}.items()
    for ending in ("", "init")
}


def family_of(scheme: str) -> str | None:
    """Return the family of a scheme with this canonical name, or None if it is in none of the three.

    >>> family_of("he_uniform")
    'he'
    """
    family = scheme.partition("_")[0]
    return family if family in FAMILIES else None


def family_named(name: str) -> str | None:
    """Return the family that a bare name stands for. Its distribution is still open.

    >>> family_named("Kaiming")
    'he'
    """
    return _FAMILY_NAMES.get(name_key(name))


def _index() -> dict[str, tuple[Scheme, Alias]]:
    index: dict[str, tuple[Scheme, Alias]] = {}
    for row in _ROWS:
        for alias in (Alias(row.name), *row.aliases):
            key = name_key(alias.name)
            if key in index:
                raise AssertionError(f"two schemes have the name {alias.name}")
            index[key] = (row, alias)
    return index


_BY_KEY = _index()
_SAME_MEANING = 0.87  # less similar names mean something else, such as bilinear and linear


def _last_part(name: str) -> str:
    return name_key(name).rpartition(".")[2]


def find_scheme(name: str) -> tuple[Scheme, Mapping[str, Any]]:
    """Return the scheme with this name or alias, and the parameters that the alias presets. Raises UnknownName.

    Case, underscores and hyphens do not matter. A library's name (`torch.nn.init.kaiming_normal_`,
    `keras.initializers.HeNormal`, `jax.nn.initializers.he_normal`) brings that library's defaults and truncation.

    >>> find_scheme("GlorotUniform")[0].name
    'xavier_uniform'
    >>> scheme, presets = find_scheme("tf.keras.initializers.HeNormal")
    >>> scheme.name, presets["distribution"]
    ('he_normal', 'truncated_normal')
    """
    row, alias = _row_and_alias(name)
    return row, alias.presets


def translated(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Translate parameter values from the vocabulary of the library that a scheme's name belongs to. Raises UnknownName, InvalidValue.

    >>> translated("keras.VarianceScaling", {"distribution": "untruncated_normal"})
    {'distribution': 'normal'}
    """
    return _row_and_alias(name)[1].translate(parameters)


def _row_and_alias(name: str) -> tuple[Scheme, Alias]:
    row_and_alias = _BY_KEY.get(name_key(name))
    if row_and_alias is None:
        library = library_of(name)  # a name of another library, or of none, means something else
        known = [alias.name for row in _ROWS for alias in (Alias(row.name), *row.aliases) if library_of(alias.name) == library]
        listed = known if library else [row.name for row in _ROWS]
        raise unknown_name("scheme", name, known, kind="scheme", listed=listed, similarity=_SAME_MEANING, key=_last_part)
    return row_and_alias
