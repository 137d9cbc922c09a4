"""Shows how the initialization affects a deep network: five schemes, with ReLU and with tanh, on handwritten digits.

Start a service, then run

    python train_digits.py --url http://127.0.0.1:8000 --output train_digits.png

The weights come from the service. The training is plain NumPy and the same for all networks: no biases, batches in a fixed order, softmax
cross entropy, and a learning rate that falls to zero. The program prints the final losses and accuracies, and plots the losses.

The networks are deep enough for the choice to matter. With ReLU, Xavier halves the signal at every layer, so 15 layers lose it. tanh is
more forgiving, because it bounds what He makes too large. In a shallow network, or at a small learning rate, He trains as well as Xavier.
Through 35 layers at this rate, its gradients grow and it falls behind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from weight_init import Client, WeightInitError

# float64, because N(0, 0.001²) shrinks the signal below the smallest normal float32, where arithmetic is slow.
Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

PIXELS, WIDTH, CLASSES = 64, 64, 10
BATCH_SIZE = 32
LEARNING_RATE = 0.07


@dataclass(frozen=True)
class Scheme:
    """An initialization to compare. `request` holds the fields to send to the service."""

    label: str
    request: dict[str, Any]
    color: str
    line: str = "-"


@dataclass(frozen=True)
class Activation:
    """An activation and the number of hidden layers. `slope` computes its derivative from its output."""

    name: str
    hidden_layers: int
    value: Callable[[Matrix], Matrix]
    slope: Callable[[Matrix], Matrix]


SCHEMES = (
    Scheme("zeros", {"scheme": "zeros"}, "#767676"),
    Scheme("N(0, 1)", {"scheme": "normal", "stddev": 1.0}, "#D55E00"),
    Scheme("N(0, 0.001²)", {"scheme": "normal", "stddev": 1e-3}, "#AA3377", "--"),
    Scheme("Xavier", {"scheme": "xavier_uniform"}, "#0072B2"),
    Scheme("He", {"scheme": "he_normal"}, "#00805A"),
)
ACTIVATIONS = (
    Activation("relu", 15, lambda x: np.maximum(x, 0.0), lambda y: (y > 0).astype(np.float64)),
    Activation("tanh", 35, np.tanh, lambda y: 1.0 - y * y),
)


@dataclass(frozen=True)
class Digits:
    """Images [n, 64] with mean 0 and variance 1, and their labels, 0 to 9."""

    train_images: Matrix
    test_images: Matrix
    train_labels: Labels
    test_labels: Labels


@dataclass(frozen=True)
class Run:
    """A trained network. `losses` has the mean of each epoch. If it diverged, the last is not finite and there is no accuracy."""

    activation: Activation
    scheme: Scheme
    recommended: bool
    losses: list[float]
    test_accuracy: float | None

    @property
    def diverged(self) -> bool:
        """Whether the loss became infinite or NaN."""
        return self.test_accuracy is None


def read_digits() -> Digits:
    """Load scikit-learn's 1797 digits, with a fifth of each class as the test set."""
    digits = load_digits()
    images = (digits.data - digits.data.mean()) / digits.data.std()
    return Digits(*train_test_split(images, digits.target, test_size=0.2, random_state=0, stratify=digits.target))


def fetch_weights(client: Client, scheme: Scheme, activation: Activation, *, seed: int) -> list[Matrix]:
    """Fetch the weights [out, in] of every layer. Each has its own name, so their values are independent."""
    sizes = [PIXELS, *[WIDTH] * activation.hidden_layers, CLASSES]
    return [
        # A plain array, because the training needs no metadata.
        np.asarray(client.init((fan_out, fan_in), **scheme.request, dtype="float64", seed=seed, name=f"layers.{layer}.weight"))
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes))
    ]


def forward(weights: Sequence[Matrix], activation: Activation, images: Matrix) -> list[Matrix]:
    """Return the output of every layer: first the images, last the logits."""
    outputs = [images]
    for weight in weights[:-1]:
        outputs.append(activation.value(outputs[-1] @ weight.T))
    return [*outputs, outputs[-1] @ weights[-1].T]


def cross_entropy(logits: Matrix, labels: Labels) -> tuple[float, Matrix]:
    """Return the mean softmax cross entropy of a batch, and its gradient."""
    shifted = logits - logits.max(axis=1, keepdims=True)  # so that exp cannot overflow
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    each = np.arange(len(labels))
    loss = np.mean(np.log(sums[:, 0]) - shifted[each, labels])
    gradient = exponentials / sums
    gradient[each, labels] -= 1.0
    return float(loss), gradient / len(labels)


def descend(weights: Sequence[Matrix], activation: Activation, images: Matrix, labels: Labels, *, rate: float) -> float:
    """Take one step of gradient descent, in place. Return the loss before the step."""
    *outputs, logits = forward(weights, activation, images)
    loss, gradient = cross_entropy(logits, labels)
    for weight, below in zip(reversed(weights), reversed(outputs), strict=True):
        step = rate * (gradient.T @ below)
        gradient = gradient @ weight * activation.slope(below)
        weight -= step
    return loss


def train(weights: Sequence[Matrix], activation: Activation, digits: Digits, *, epochs: int) -> list[float]:
    """Train in place until the last epoch or until the loss diverges. Return the mean loss of each epoch."""
    order = np.random.default_rng(0)
    count = len(digits.train_labels)
    rates = np.linspace(LEARNING_RATE, 0.0, epochs * (count // BATCH_SIZE), endpoint=False).reshape(epochs, -1)
    losses: list[float] = []
    for epoch_rates in rates:
        batches = np.array_split(order.permutation(count), len(epoch_rates))
        with np.errstate(over="ignore", invalid="ignore"):  # N(0, 1) overflows, which the loss shows
            each = [
                descend(weights, activation, digits.train_images[batch], digits.train_labels[batch], rate=rate)
                for batch, rate in zip(batches, epoch_rates, strict=True)
            ]
            losses.append(float(np.mean(each)))
        if not np.isfinite(losses[-1]):
            break
    return losses


def accuracy(weights: Sequence[Matrix], activation: Activation, images: Matrix, labels: Labels) -> float:
    """Return the fraction of images that are classified correctly, 0 to 1."""
    return float(np.mean(forward(weights, activation, images)[-1].argmax(axis=1) == labels))


def compare(client: Client, *, epochs: int, seed: int) -> Iterator[Run]:
    """Train every scheme with every activation."""
    digits = read_digits()
    for activation in ACTIVATIONS:
        recommended = client.recommend(activation.name)["scheme"]
        for scheme in SCHEMES:
            weights = fetch_weights(client, scheme, activation, seed=seed)
            losses = train(weights, activation, digits, epochs=epochs)
            finite = np.isfinite(losses[-1])
            tested = accuracy(weights, activation, digits.test_images, digits.test_labels) if finite else None
            yield Run(activation, scheme, scheme.request["scheme"] == recommended, losses, tested)


def with_progress(runs: Iterator[Run]) -> list[Run]:
    """Return all runs. On a terminal, show progress meanwhile."""
    done: list[Run] = []
    total = len(ACTIVATIONS) * len(SCHEMES)
    while True:
        if sys.stderr.isatty():
            print(f"\r\033[Ktraining, {len(done)} of {total} networks done" if len(done) < total else "\r\033[K", end="", file=sys.stderr)
        if (run := next(runs, None)) is None:
            return done
        done.append(run)


def table(runs: Sequence[Run]) -> str:
    """Return a table with the final loss and accuracy of each run."""
    lines = [f"{'activation':12}{'layers':>6}  {'scheme':14}{'final training loss':>20}{'test accuracy':>15}"]
    for run in runs:
        loss = "diverged" if run.diverged else f"{run.losses[-1]:.4f}"
        tested = "-" if run.test_accuracy is None else f"{run.test_accuracy:.1%}"
        mark = "  recommended" if run.recommended else ""
        name, layers = run.activation.name, run.activation.hidden_layers
        lines.append(f"{name:12}{layers:>6}  {run.scheme.label:14}{loss:>20}{tested:>15}{mark}")
    return "\n".join(lines)


def draw(runs: Sequence[Run]) -> Figure:
    """Plot the training loss against the epoch, with one panel for each activation."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    figure.suptitle("Training loss on handwritten digits, by initialization")
    for axes, activation in zip(figure.subplots(1, len(ACTIVATIONS)), ACTIVATIONS, strict=True):
        axes.set(title=f"{activation.name}, {activation.hidden_layers} hidden layers", xlabel="epoch", ylabel="cross entropy", yscale="log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        draw_losses(axes, [run for run in runs if run.activation is activation])
    return figure


def draw_losses(axes: Axes, runs: Sequence[Run]) -> None:
    """Plot a curve for each run and label its end. The labels of diverged runs are at the top."""
    axes.set_ylim(0.5 * min(min(run.losses) for run in runs if not run.diverged), 10.0)
    for run in runs:
        width = 3.0 if run.recommended else 1.5
        axes.plot(range(1, len(run.losses) + 1), run.losses, run.scheme.line, marker=".", color=run.scheme.color, linewidth=width)
    low, high = np.log10(axes.get_ylim())
    ends = [1.0 if run.diverged else float((np.log10(run.losses[-1]) - low) / (high - low)) for run in runs]
    for run, height in zip(runs, spread(ends, gap=0.05), strict=True):
        label = run.scheme.label + (": diverged" if run.diverged else "") + (" (recommended)" if run.recommended else "")
        weight = "bold" if run.recommended else "normal"
        axes.text(1.02, height, label, transform=axes.transAxes, va="center", color=run.scheme.color, weight=weight)


def spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Return the heights, moved up where necessary to be at least `gap` apart."""
    moved = list(heights)
    for below, above in pairwise(sorted(range(len(heights)), key=lambda index: heights[index])):
        moved[above] = max(moved[above], moved[below] + gap)
    return moved


def main() -> None:
    """Train, print the table and save the plot."""
    parser = argparse.ArgumentParser(description="Show how the initialization affects a deep network.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="URL of the weight-init service (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="passes through the training images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the weights (default: %(default)s)")
    parser.add_argument("--output", default="train_digits.png", help="image file to write (default: %(default)s)")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs: expected at least 1; received {options.epochs}")
    try:
        with Client(options.url) as client:
            runs = with_progress(compare(client, epochs=options.epochs, seed=options.seed))
    except WeightInitError as error:
        sys.exit(f"train_digits: {error}")
    print(table(runs))
    draw(runs).savefig(options.output, dpi=150)


if __name__ == "__main__":
    main()
