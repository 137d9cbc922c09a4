"""Records what the code of a model does to its tensors, while it runs on torch's meta device, where they have no memory."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from service.checkpoints.tracing.expressions import Constant, Expression, Named, Normal, Truncated, Uniform, apply, draws_alone, repeated
from service.checkpoints.tracing.memory import MAX_REAL, UNKNOWN, Memories, Value, covers, place_of
from service.contract.request import InitRequest
from service.contract.specification import initializer_of, specification_of
from service.core.stream.distributions import Distribution, Draw

# operations that give every element the same value, by the arguments that hold it
_CONSTANTS: dict[str, Callable[..., float]] = {
    "zero_": lambda *_: 0.0,
    "fill_": lambda _, value: float(value),
    "zeros": lambda *_: 0.0,
    "zeros_like": lambda *_: 0.0,
    "new_zeros": lambda *_: 0.0,
    "ones": lambda *_: 1.0,
    "ones_like": lambda *_: 1.0,
    "new_ones": lambda *_: 1.0,
    "full": lambda _, value: float(value),
    "full_like": lambda _, value: float(value),
    "new_full": lambda *arguments: float(arguments[2]),
}
_EMPTY = {"empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided", "empty_permuted"}
_ELEMENTWISE = {"add", "sub", "mul", "div", "neg", "exp", "log", "expm1", "sqrt", "rsqrt", "erfinv", "log1p", "reciprocal", "abs", "pow"}
_REARRANGING = {
    "clone", "_to_copy", "cat", "stack", "repeat", "_unsafe_view", "_reshape_copy", "index_select", "flip", "roll", "contiguous",
    "slice_scatter", "select_scatter", "tril", "triu",
}  # fmt: skip
_PLACING = {"slice_scatter", "select_scatter", "tril", "triu"}  # of the above, those that put other values among the given ones


class Recorder(TorchDispatchMode):  # type: ignore[misc]
    """Records every operation. `value` says what is known of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self._memories = Memories()
        self.value, self.write, self.memory_of = self._memories.value, self._memories.write, self._memories.of

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note what it does."""
        kwargs = kwargs or {}
        name = function._schema.name.partition("::")[2]
        if name == "_local_scalar_dense" and (scalar := self.value(args[0]).real) is not None:
            return scalar.item()  # a meta tensor has none
        before = self._operand(args[1]) if name == "copy_" else None
        written = _written(function, args, kwargs)
        is_in_place = len(written) == 1 and written[0] is args[0]
        is_opaque = name in _EMPTY or name == "copy_" or (bool(written) and not is_in_place)
        known = None if is_opaque else self._computed(function, name, args, kwargs)
        result = function(*args, **kwargs)
        if before is not None:
            self.write(args[0], _copied(before, args[0], is_repeated=args[1].numel() < args[0].numel()))
        elif is_in_place:
            self.write(args[0], _copied(known or UNKNOWN, args[0]))
        elif written:  # to several tensors, or to that of `out`
            for tensor in written:
                self.write(tensor, UNKNOWN)
        else:
            self._note_result(name, args, result, known)
        return result

    def _operand(self, operand: Any) -> Value:
        return self.value(operand) if isinstance(operand, torch.Tensor) else Value(None, operand)

    def _computed(self, function: Any, name: str, args: Any, kwargs: Any) -> Value:
        """Return what is known of the result of an operation before it runs."""
        plain = name.removesuffix("_")
        real = self._real(function, args, kwargs)
        if name in _CONSTANTS and not any(isinstance(value, torch.Tensor) for value in args[1:]):
            return Value(Constant(_CONSTANTS[name](*args)), real)
        if (draw := _drawn(plain, args, kwargs)) is not None:
            return Value(draw)
        if plain in _ELEMENTWISE or plain.startswith("clamp"):
            return Value(self._elementwise(plain, args, kwargs), real)
        if plain in _REARRANGING and plain not in _PLACING:
            return Value(self._rearranged(plain, args), real)
        return Value(None, real)

    def _real(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Return the values of the result, if those of all operands are known and few. In place of one, the known values are changed."""
        if torch.Tag.nondeterministic_seeded in function.tags:
            return None
        operands = [operand for operand in tree_flatten((args, kwargs))[0] if isinstance(operand, torch.Tensor)]
        values = {id(operand): self.value(operand).real for operand in operands}
        if any(value is None for value in values.values()) or any(operand.numel() > MAX_REAL for operand in operands):
            return None
        if function._schema.is_mutable:  # on a copy, because `write` decides
            values[id(args[0])] = values[id(args[0])].clone() if isinstance(args[0], torch.Tensor) else None
        elif not operands and _requested_size(args) > MAX_REAL:
            return None
        real_args, real_kwargs = tree_map(lambda operand: _on_cpu(operand, values), (args, kwargs))
        try:
            with torch._C.DisableTorchFunction():
                return function(*real_args, **real_kwargs)
        except (RuntimeError, TypeError, IndexError, ValueError):  # it runs on the meta device alone; its result stays unknown
            return None

    def _elementwise(self, name: str, args: Any, kwargs: Any) -> Expression | None:
        operands = [self._number_or_expression(operand) for operand in args]
        if name.startswith("clamp"):
            low, high = _bounds(name, args, kwargs)
            return apply("clamp", (operands[0], low, high))
        if name in ("add", "sub") and kwargs.get("alpha", 1) != 1:
            operands[1] = apply("mul", (operands[1], float(kwargs["alpha"])))
        return apply(name, tuple(operands))

    def _number_or_expression(self, operand: Any) -> Any:
        """Return a number for a scalar that is known, else the expression of a tensor."""
        if isinstance(operand, bool | int | float):
            return float(operand)
        if not isinstance(operand, torch.Tensor):
            return None
        value = self.value(operand)
        if value.real is not None and operand.numel() == 1 and operand.dim() == 0:
            return float(value.real)
        return value.expression

    def _rearranged(self, name: str, args: Any) -> Expression | None:
        """Return the expression that all tensors share, which then holds wherever their elements are."""
        tensors = [operand for operand in tree_flatten(args)[0] if isinstance(operand, torch.Tensor)]
        expressions = {draws_alone(self.value(tensor).expression) for tensor in tensors if tensor.dtype.is_floating_point}
        expression = expressions.pop() if len(expressions) == 1 else None
        return repeated(expression) if self._repeats(name, args, tensors) else expression

    def _repeats(self, name: str, args: Any, tensors: list[Any]) -> bool:
        """Return whether an operation may take an element more than once."""
        match name:
            case "repeat":
                return math.prod(args[1]) > 1
            case "index_select":
                index = self.value(args[2]).real
                return index is None or index.unique().numel() < index.numel()
        return len(set(map(place_of, tensors))) < len(tensors)

    def _note_result(self, name: str, args: Any, result: Any, known: Value | None) -> None:
        given = {operand.untyped_storage()._cdata for operand in _with_memory(args)}
        for index, tensor in enumerate(_with_memory(result)):
            if tensor.untyped_storage()._cdata in given:
                continue  # a view
            if name in _EMPTY:
                self._memories.begin(tensor)
            elif known is not None and covers(tensor):
                real = known.real[index] if isinstance(known.real, list | tuple) else known.real
                self.write(tensor, Value(known.expression, real if isinstance(real, torch.Tensor) else None))


class _KeepingData(TorchFunctionMode):  # type: ignore[misc]
    """Keeps values where the meta device would lose them: those that a tensor is made of, and those that are read from it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch."""
        kwargs = kwargs or {}
        if function in _OF_DATA and kwargs.get("device") is None:
            return function(*args, **{**kwargs, "device": "cpu"}).to("meta")
        if function in _READING and args[0].device.type == "meta" and (real := self._recorder.value(args[0]).real) is not None:
            return function(real, *args[1:], **kwargs)
        return function(*args, **kwargs)


_OF_DATA = (torch.tensor, torch.as_tensor, torch.asarray)
_READING = (torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__)


def _with_memory(tree: Any) -> list[Any]:
    """Return the tensors among the operands or results of an operation that have memory of their own."""
    tensors = [operand for operand in tree_flatten(tree)[0] if isinstance(operand, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.layout is torch.strided and not tensor.is_quantized]


def _written(function: Any, args: Any, kwargs: Any) -> list[Any]:
    """Return the tensors that an operation writes to, by its declaration."""
    if not function._schema.is_mutable:
        return []
    given = [
        kwargs.get(argument.name) if argument.kwarg_only or index >= len(args) else args[index]
        for index, argument in enumerate(function._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    return [operand for operand in tree_flatten(given)[0] if isinstance(operand, torch.Tensor)]


def _copied(value: Value, target: Any, *, is_repeated: bool = False) -> Value:
    """Return what a tensor is after it has taken a value, whose shape may be broadcast."""
    real = value.real
    if isinstance(real, torch.Tensor):
        real = real.expand(target.size()) if real.numel() <= MAX_REAL else None
    elif real is not None:
        real = None
    return Value(repeated(value.expression) if is_repeated else draws_alone(value.expression), real)


def _drawn(name: str, args: Any, kwargs: Any) -> Expression | None:
    """Return the distribution of an operation that draws every element alike, or None."""
    numbers = [float(value) for value in args[1:3] if isinstance(value, int | float)]
    match name:
        case "normal" if isinstance(args[0], torch.Tensor) and not any(isinstance(value, torch.Tensor) for value in args[1:]):
            return Normal(*(numbers + [0.0, 1.0][len(numbers) :]))
        case "uniform":
            return Uniform(*(numbers + [0.0, 1.0][len(numbers) :]))
        case "rand" | "rand_like":
            return Uniform(0.0, 1.0)
        case "randn" | "randn_like":
            return Normal(0.0, 1.0)
    return None


def _bounds(name: str, args: Any, kwargs: Any) -> tuple[float | None, float | None]:
    given = [None if value is None else float(value) for value in args[1:] if not isinstance(value, torch.Tensor)]
    if name == "clamp_min":
        return given[0], None
    if name == "clamp_max":
        return None, given[0]
    low = given[0] if given else kwargs.get("min")
    high = given[1] if len(given) > 1 else kwargs.get("max")
    return low, high


def _requested_size(args: Any) -> int:
    """Return the number of elements that a factory is asked for, as far as its arguments tell."""
    sizes = [value for value in args if isinstance(value, list | tuple)]
    if sizes and all(isinstance(value, int) for value in sizes[0]):
        return math.prod(sizes[0])
    numbers = [abs(value) for value in args if isinstance(value, int | float) and not isinstance(value, bool)]
    return int(max((value for value in numbers if math.isfinite(value)), default=0))


def _on_cpu(operand: Any, values: dict[int, Any]) -> Any:
    if isinstance(operand, torch.Tensor):
        return values[id(operand)]
    return torch.device("cpu") if isinstance(operand, torch.device) else operand


# torch.nn.init, which the names of schemes follow

_FUNCTIONS = (
    "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "trunc_normal_",
    "orthogonal_", "sparse_", "eye_", "dirac_",
)  # fmt: skip
_OWN_COPIES = ("transformers.initialization",)  # modules with a table TORCH_INIT_FUNCTIONS of the functions of torch.nn.init


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record what is done to tensors, on the meta device. Calls of torch.nn.init are noted by their names."""
    recorder = Recorder()
    with ExitStack() as stack:
        for name in _FUNCTIONS:
            original = getattr(torch.nn.init, name)
            stack.enter_context(_replaced(vars(torch.nn.init), name, _noting(original, name, recorder)))
            for module in _OWN_COPIES:
                table = getattr(sys.modules.get(module), "TORCH_INIT_FUNCTIONS", {})
                if name in table:
                    stack.enter_context(_replaced(table, name, _noting(table[name], name, recorder)))
        stack.enter_context(torch.device("meta"))
        stack.enter_context(_KeepingData(recorder))  # inside the device, which would set it first
        stack.enter_context(recorder)
        yield recorder


@contextmanager
def _replaced(names: Any, name: str, value: Any) -> Iterator[None]:
    before, names[name] = names[name], value
    try:
        yield
    finally:
        names[name] = before


def _noting(original: Callable[..., Any], name: str, recorder: Recorder) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def function(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        tensor, arguments = given.arguments["tensor"], dict(given.arguments)
        if not isinstance(tensor, torch.Tensor) or tensor.device.type != "meta":
            return original(*args, **kwargs)
        expression = _called(name, tuple(tensor.shape), arguments)
        if expression is None:
            return original(*args, **kwargs)
        recorder.write(tensor, Value(expression if covers(tensor) else draws_alone(expression)))
        return tensor

    return function


def _called(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> Expression | None:
    """Return what a call of torch.nn.init draws, or None if the call itself has to run."""
    if name == "trunc_normal_":
        return Truncated(*(float(arguments[key]) for key in ("mean", "std", "a", "b")))
    fields: dict[str, Any] = {"scheme": f"torch.nn.init.{name}"}
    match name:
        case "xavier_uniform_" | "xavier_normal_" | "orthogonal_":
            fields |= {} if arguments["gain"] == 1 else {"gain": float(arguments["gain"])}
        case "kaiming_uniform_" | "kaiming_normal_":
            if arguments["nonlinearity"] not in ("relu", "leaky_relu"):
                return None
            slope = float(arguments["a"]) if arguments["nonlinearity"] == "leaky_relu" else 0.0
            fields |= ({} if arguments["mode"] == "fan_in" else {"mode": arguments["mode"]}) | ({"negative_slope": slope} if slope else {})
        case "sparse_":
            fields |= {"sparsity": float(arguments["sparsity"]), "stddev": float(arguments["std"])}
        case "dirac_" if arguments["groups"] != 1:
            return None
    return Named(fields, _independent(fields, shape))


def _independent(fields: dict[str, Any], shape: tuple[int, ...]) -> Normal | Uniform | None:
    """Return the distribution of a scheme on this shape, if its elements are independent and not cut."""
    if len(shape) < 2:
        return None
    rule = initializer_of(specification_of(InitRequest(shape=list(shape), **fields))).rule
    if not isinstance(rule, Distribution) or rule.cut is not None:
        return None
    if rule.draw is Draw.NORMAL:
        return Normal(rule.loc, rule.scale)
    return Uniform(rule.loc - rule.scale, rule.loc + rule.scale) if rule.draw is Draw.UNIFORM else None
