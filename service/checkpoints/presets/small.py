"""Small networks: LeNet-5, a multilayer perceptron and SIREN."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from service.checkpoints.presets.architecture import RECOMMENDED, Architecture, Variant, Weight
from service.checkpoints.presets.fields import Config, Field, Kind
from service.checkpoints.presets.modules import conv, linear
from service.checkpoints.presets.rules import Rule, torch_bias, torch_biases, torch_weight
from service.core import references
from service.core.errors import InvalidValue

_LIBRARY = "weight-init"
_TORCH = "the defaults of torch.nn.Linear and torch.nn.Conv2d"


def _lenet5(config: Config) -> Iterator[Weight]:
    activation = config["activation"]
    yield from conv("conv1", 6, 1, 5, 5, activation=activation)
    yield from conv("conv2", 16, 6, 5, 5, activation=activation)
    yield from linear("fc1", 120, 16 * 5 * 5, activation=activation)
    yield from linear("fc2", 84, 120, activation=activation)
    yield from linear("fc3", config["num_classes"], 84, layer="softmax_head")


def _mlp(config: Config) -> Iterator[Weight]:
    """Yield the tensors. The modules between the layers are the activations, so every other index has a layer."""
    layers = list(pairwise(config["layer_sizes"]))
    for index, (inputs, outputs) in enumerate(layers):
        activation = config["activation"] if index + 1 < len(layers) else "linear"
        yield from linear(f"{2 * index}", outputs, inputs, bias=config["bias"], activation=activation)


def _check_mlp(config: Config) -> None:
    if len(config["layer_sizes"]) < 2:
        raise InvalidValue(
            "layer_sizes",
            expected="at least two numbers: those of the inputs and of the outputs",
            received=list(config["layer_sizes"]),
            action="Give [784, 256, 10] for one hidden layer, for example.",
        )


def _siren(config: Config) -> Iterator[Weight]:
    """Yield the tensors. Only SIREN's own scheme knows omega_0, and its biases spread the phases of the sines."""
    hidden, omega_0 = config["hidden_features"], config["omega_0"]
    yield from _sine("net.0.linear", hidden, config["in_features"], scheme="siren_first")
    for layer in range(1, config["hidden_layers"] + 1):
        yield from _sine(f"net.{layer}.linear", hidden, hidden, scheme="siren", omega_0=omega_0)
    yield from _sine(f"net.{config['hidden_layers'] + 1}", config["out_features"], hidden, scheme="siren", omega_0=omega_0)


def _sine(name: str, outputs: int, inputs: int, **advice: str | float) -> Iterator[Weight]:
    yield Weight(f"{name}.weight", (outputs, inputs), advice)
    yield Weight(f"{name}.bias", (outputs,), {"scheme": "torch_default", "fan_in": inputs})


def _siren_rules(config: Config) -> list[Rule]:
    return [
        {"match": "net.0.linear.weight", "scheme": "siren_first"},
        {"match": "*.weight", "scheme": "siren", "omega_0": config["omega_0"]},
        torch_bias("net.0.linear.bias", config["in_features"]),
        torch_bias("*.bias", config["hidden_features"]),
    ]


LENET5 = Architecture(
    "lenet5",
    "LeNet-5 without the gaps in its second layer. Its names are conv1, conv2, fc1, fc2 and fc3",
    _LIBRARY,
    (
        Field("activation", "relu", "the activation of the hidden layers", Kind.TEXT),
        Field("num_classes", 10, "the number of classes"),
    ),
    _lenet5,
    (RECOMMENDED, Variant("torch", _TORCH, str(references.PYTORCH), lambda config: _torch_rules(_lenet5(config)))),
)
MLP = Architecture(
    "mlp",
    "a multilayer perceptron. Its names are those of torch.nn.Sequential(Linear, activation, Linear, …): 0.weight, 2.weight, …",
    _LIBRARY,
    (
        Field("layer_sizes", (784, 256, 10), "the number of inputs, of the units of each hidden layer, and of outputs", Kind.INTEGERS),
        Field("activation", "relu", "the activation of the hidden layers", Kind.TEXT),
        Field("bias", True, "whether the layers have biases", Kind.BOOLEAN),
    ),
    _mlp,
    (RECOMMENDED, Variant("torch", _TORCH, str(references.PYTORCH), lambda config: _torch_rules(_mlp(config)))),
    check=_check_mlp,
)
SIREN = Architecture(
    "siren",
    "SIREN, a network of sines for signals. Its names are those of the authors' notebook: net.0.linear.weight, …",
    _LIBRARY,
    (
        Field("in_features", 2, "the number of coordinates"),
        Field("hidden_features", 256, "the number of units of a hidden layer"),
        Field("hidden_layers", 3, "the number of hidden layers after the first", minimum=0),
        Field("out_features", 1, "the number of outputs"),
        Field("omega_0", 30.0, "the frequency of the sines, sin(omega_0·x)", Kind.NUMBER, minimum=0),
    ),
    _siren,
    (
        Variant("siren", "the rules of its authors", f"{references.SITZMANN_2020}; vsitzmann/siren, explore_siren.ipynb", _siren_rules),
        RECOMMENDED,
    ),
)


def _torch_rules(weights: Iterator[Weight]) -> list[Rule]:
    return [torch_weight("*.weight"), *torch_biases(weights)]
