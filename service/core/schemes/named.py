"""What the name of a scheme in a request stands for. A library's name brings the library's defaults, and its way to count fans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from service.core.layers.fans import FanConvention
from service.core.layers.layer import LayerKind
from service.core.layers.roles import Role
from service.core.names import library_of
from service.core.parameters import Values, fill
from service.core.schemes import SCHEMES, Scheme, find_scheme, translated
from service.core.schemes.library_layers import LIBRARY_DEFAULT, LIBRARY_LAYERS

FAN_CONVENTION_OF: dict[str | None, FanConvention] = {
    None: FanConvention.TRUE,
    "torch": FanConvention.TORCH,
    "timm": FanConvention.TORCH,
    "caffe": FanConvention.TORCH,
    "keras": FanConvention.KERAS,
    "jax": FanConvention.JAX,
}


class Named(NamedTuple):
    """The scheme of a name, its presets, the given parameters, and how to read the shape.

    `kind` is that of the layer, and `convention` says how to count the fans. `is_bias`: the name stands for the bias of a layer.
    """

    scheme: Scheme
    presets: Mapping[str, Any]
    given: Mapping[str, Any]
    kind: LayerKind | None
    convention: FanConvention
    is_bias: bool = False


def named_scheme(name: str, parameters: Values, kind: LayerKind | None, role: Role | None, *, is_vector: bool) -> Named:
    """Return what a name stands for, with these parameters and for a layer of this kind and role. Raises UnknownName, InvalidValue.

    The name of a library's layer stands for the scheme of one of its tensors. The other parameters are then those of that scheme.

    >>> named_scheme("torch.nn.LayerNorm", {}, None, None, is_vector=True).scheme.name
    'ones'
    """
    scheme, presets = find_scheme(name)
    given = translated(name, parameters)
    if scheme is not LIBRARY_DEFAULT:
        return Named(scheme, presets, given, kind, FAN_CONVENTION_OF[library_of(name)])
    own = {field: value for field, value in {**presets, **given}.items() if field in LIBRARY_DEFAULT.parameter_names}
    checked = fill(LIBRARY_DEFAULT.parameters, own, owner=LIBRARY_DEFAULT.name)
    layer = LIBRARY_LAYERS[checked["of"]]
    part = layer.part_for(checked["part"], role, is_vector=is_vector)
    others = {field: value for field, value in given.items() if field not in own}
    convention = FAN_CONVENTION_OF[library_of(checked["of"])]
    return Named(SCHEMES[part.scheme], part.presets, others, kind or layer.kind, convention, "bias" in part.names)
