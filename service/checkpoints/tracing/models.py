"""Traces models: builds them on the meta device, and finds the fields that draw each tensor that they save."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from service.checkpoints.tracing.expressions import Constant
from service.checkpoints.tracing.fields import Fields, of_expression, of_values, with_zero_row
from service.checkpoints.tracing.generators import without_foreign_draws
from service.checkpoints.tracing.memory import geometry, place_of
from service.checkpoints.tracing.recorder import Recorder, recording
from service.checkpoints.tracing.sources import Traced, is_drawn
from service.core.errors import Unsupported

_DTYPES = {
    torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16",
    torch.int64: "int64", torch.int32: "int32", torch.uint8: "uint8", torch.bool: "bool",
}  # fmt: skip


def trace_module(build: Callable[[], Any], metadata: Mapping[str, str]) -> Traced:
    """Trace a module: what its constructor does to the tensors of its state_dict. Raises Unsupported."""
    return without_foreign_draws(lambda: _trace_module(build, metadata))


def _trace_module(build: Callable[[], Any], metadata: Mapping[str, str]) -> Traced:
    with recording() as recorder:
        module = _built(build)
        if not isinstance(module, torch.nn.Module):
            raise Unsupported("from-torch", expected="a torch.nn.Module", received=type(module).__name__, action="Name what returns one.")
        state_dict = module.state_dict(keep_vars=True)
        stored, tied = _without_shared(state_dict)
        return _traced(recorder, stored, tied, {"architecture": type(module).__name__, "torch": torch.__version__, **metadata})


def trace_transformers(transformers: Any, model_class: Any, config: Any) -> Traced:
    """Trace a model of transformers: the tensors that it saves, under the names that it saves them by. Raises Unsupported."""
    return without_foreign_draws(lambda: _trace_transformers(transformers, model_class, config))


def _trace_transformers(transformers: Any, model_class: Any, config: Any) -> Traced:
    from transformers.core_model_loading import revert_weight_conversion
    from transformers.modeling_utils import remove_tied_weights_from_state_dict

    with recording() as recorder:
        with _without(transformers.PreTrainedModel, "init_weights"):  # which would only tie the weights, on the meta device
            model = _built(lambda: model_class(config))
        model.initialize_weights()
        model.tie_weights()  # after that, because otherwise the head would redraw the table that it shares
        in_memory = {name: tensor for name, tensor in model.state_dict().items() if name not in set(model._keys_to_ignore_on_save or ())}
        stored = remove_tied_weights_from_state_dict(dict(in_memory), model)
        tied = _tied(in_memory, stored)
        on_disk = revert_weight_conversion(model, dict(stored))
        if on_disk.keys() == stored.keys():
            on_disk = stored  # which has the order of the model
        metadata = {"architecture": model_class.__name__, "transformers": transformers.__version__}
        return _traced(recorder, on_disk, tied, metadata)


@contextmanager
def _without(owner: Any, method: str) -> Iterator[None]:
    before = getattr(owner, method)
    setattr(owner, method, lambda self: None)
    try:
        yield
    finally:
        setattr(owner, method, before)


def _built(build: Callable[[], Any]) -> Any:
    """Build a model. Raises Unsupported if its code does not run without memory."""
    try:
        return build()
    except Exception as error:  # whatever the code of the model raises
        raise Unsupported(
            "model",
            expected="code that builds a model on torch's meta device",
            received=f"{type(error).__name__}: {error}",
            action="Correct its arguments, or build it on the processor and use --from-safetensors.",
        ) from error


def _without_shared(state_dict: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors that a file holds, the first of those that share one; and the names of the others with that of the first."""
    first: dict[Any, str] = {}
    stored, tied = {}, {}
    for name, tensor in state_dict.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        place = place_of(tensor)
        if place in first:
            tied[name] = first[place]
        else:
            first[place] = name
            stored[name] = tensor
    return stored, tied


def _tied(in_memory: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of tensors that are not stored, each with that of the stored one at the same place."""
    by_place = {place_of(tensor): name for name, tensor in in_memory.items() if name in stored}
    places = {name: place_of(tensor) for name, tensor in in_memory.items() if name not in stored}
    return {name: by_place[place] for name, place in places.items() if place in by_place}


def _traced(recorder: Recorder, tensors: Mapping[str, Any], tied: dict[str, str], metadata: Mapping[str, str]) -> Traced:
    entries = [dict(_entry(recorder, name, tensor)) for name, tensor in tensors.items()]
    untraced = [entry["name"] for entry in entries if not is_drawn(entry)]
    return Traced(entries, {name: kept for name, kept in tied.items() if kept in tensors}, untraced, metadata)


def _entry(recorder: Recorder, name: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    yield "name", name
    yield "shape", list(tensor.shape)
    yield from (_fields(recorder, tensor) or {}).items()


def _fields(recorder: Recorder, tensor: Any) -> Fields | None:
    """Return the fields that draw a tensor, or its values, or None."""
    value = recorder.value(tensor)
    if tensor.dtype.is_floating_point and (fields := of_expression(value.expression)) is not None:
        return fields
    if value.real is not None:
        real = value.real.float() if tensor.dtype is torch.bfloat16 else value.real  # which NumPy lacks
        return of_values(real.numpy(), _DTYPES.get(tensor.dtype, ""))
    return _with_zero_row(recorder, tensor)


def _with_zero_row(recorder: Recorder, tensor: Any) -> Fields | None:
    """Return the fields of a table whose one row was set to zero after all of it was drawn, or None."""
    memory = recorder.memory_of(tensor)
    fields = of_expression(memory.expression)
    if fields is None or tensor.dim() != 2 or memory.whole != geometry(tensor) or not memory.writes:
        return None
    features = tensor.shape[1]
    rows = {where[0] // features for where, _ in memory.writes}
    is_row = all(
        where[0] % features == 0 and where[1] == (features,) and where[2] == (1,) and expression == Constant(0.0)
        for where, expression in memory.writes
    )
    return with_zero_row(fields, rows.pop()) if is_row and len(rows) == 1 else None
