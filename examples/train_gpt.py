"""Trains a small GPT on the letters of a text, from three checkpoints that differ in nothing but how the matrices are drawn.

    pip install '.[trace]' matplotlib
    python examples/train_gpt.py

The text is the description of the random stream in this repository. The three checkpoints are

- recommended: what this service advises for each weight by its place in the network,
- N(0, 1): every matrix is standard normal,
- all 1e-4: every element of every matrix is the same.

All of them have the same architecture, batches, optimizer and learning rate; biases are zero and normalization scales are one.
The program prints the losses and plots them. A model that knows nothing but the alphabet has the loss log(number of letters).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from service.checkpoints.checkpoint import checkpoint_of
from service.checkpoints.folder import write_folder
from service.checkpoints.presets import Model
from service.checkpoints.shards import Shards
from service.contract.answer import Limits

os.environ["HF_HUB_OFFLINE"] = "1"  # the model is in a folder

FOLDER = Path(__file__).parent
TEXT = FOLDER.parent / "service" / "core" / "stream" / "STREAM.md"
SIZE = {"n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 64}
BATCH, CONTEXT, LEARNING_RATE = 16, 64, 3e-3
BIASES_AND_NORMS = [{"match": "*.bias", "scheme": "zeros"}, {"match": "*.ln_*.weight", "scheme": "ones"}]


@dataclass(frozen=True)
class Start:
    """A checkpoint to start from. `rules` draw it; without them, the variant `recommended` of the architecture does."""

    label: str
    color: str
    lift: int  # of its label in the picture, in points, so that labels do not meet
    rules: list[dict[str, Any]] | None = None


STARTS = (
    Start("recommended", "#00805A", 0),
    Start("N(0, 1)", "#D55E00", -4, [*BIASES_AND_NORMS, {"match": "*", "scheme": "normal", "stddev": 1.0}]),
    Start("all 1e-4", "#767676", 5, [*BIASES_AND_NORMS, {"match": "*", "scheme": "constant", "value": 1e-4}]),
)


@dataclass(frozen=True)
class Run:
    """A trained model: its loss at each step, in nats a letter, and how many of the hidden units of its first layer differ."""

    start: Start
    losses: list[float]
    distinct_units: int


def read_text() -> tuple[torch.Tensor, int]:
    """Return the text as numbers of letters [n], and the number of different letters."""
    text = TEXT.read_text("utf-8")
    letters = sorted(set(text))
    return torch.tensor([letters.index(letter) for letter in text]), len(letters)


def write_checkpoint(start: Start, letters: int, folder: Path) -> None:
    """Write the folder of a checkpoint, which transformers loads."""
    model = Model.of("gpt2", {**SIZE, "vocab_size": letters}, variant="recommended")
    manifest = model.manifest(max_tensors=1000)
    if start.rules is not None:  # the same tensors, with other rules
        manifest["tensors"] = [{"name": row["name"], "shape": row["shape"]} for row in manifest["tensors"]]
        manifest["rules"] = start.rules
    shards = Shards(checkpoint_of({"seed": 0, **manifest}, Limits()))
    config = {**model.config, "bos_token_id": None, "eos_token_id": None}  # the text has no such letters
    write_folder(shards, folder, config, force=False, advance=lambda _: None)


def batches(text: torch.Tensor, steps: int) -> Iterator[torch.Tensor]:
    """Yield random parts of the text [batch, context], the same for every model."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        starts = torch.randint(len(text) - CONTEXT, (BATCH,), generator=generator)
        yield torch.stack([text[start : start + CONTEXT] for start in starts])


def train(start: Start, text: torch.Tensor, letters: int, steps: int) -> Run:
    """Train a model from a checkpoint."""
    from transformers import AutoModelForCausalLM  # imported here: it takes seconds, and --help needs it not

    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(start, letters, Path(folder))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()  # without dropout
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    losses = []
    shown = track(batches(text, steps), description=start.label, total=steps, transient=True, console=Console(stderr=True))
    for tokens in shown if sys.stderr.isatty() else batches(text, steps):
        logits = model(tokens[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    units = model.transformer.h[0].mlp.c_fc.weight.detach().T  # [units, inputs]
    return Run(start, losses, len(torch.unique(units, dim=0)))


def table(runs: list[Run]) -> str:
    """Return a table of the losses, the last as a mean over some steps."""
    lines = [f"{'checkpoint':14}{'first loss':>12}{'last loss':>12}{'different units of ' + str(4 * SIZE['n_embd']):>26}"]
    lines += [f"{run.start.label:14}{run.losses[0]:12.2f}{smooth(run.losses)[-1]:12.2f}{run.distinct_units:26}" for run in runs]
    return "\n".join(lines)


def smooth(losses: list[float]) -> list[float]:
    """Return the mean of each loss and of those before it, over up to a thirtieth of all."""
    width = max(1, len(losses) // 30)
    return [sum(losses[max(0, end - width) : end]) / min(end, width) for end in range(1, len(losses) + 1)]


def plot(runs: list[Run], letters: int, output: Path) -> None:
    """Plot the losses over the steps, each with its name beside its end."""
    mpl.rcParams.update({"svg.hashsalt": "train_gpt", "font.size": 11})
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    guess = math.log(letters)
    axes.axhline(guess, color="#999999", linewidth=1, linestyle=":")
    axes.annotate(f"a guess: log {letters}", (1, guess), xycoords=("axes fraction", "data"), xytext=(-4, 4),
                  textcoords="offset points", ha="right", color="#777777", fontsize=9)  # fmt: skip
    for run in runs:
        losses = smooth(run.losses)
        axes.plot(range(1, len(losses) + 1), losses, color=run.start.color, linewidth=2)
        axes.annotate(run.start.label, (len(losses), losses[-1]), xytext=(6, run.start.lift), textcoords="offset points",
                      va="center", color=run.start.color, annotation_clip=False)  # fmt: skip
    axes.set(xlabel="step", ylabel="loss (nats a letter)", yscale="log", xlim=(1, len(runs[0].losses)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_yticks([1, 2, 3, 5, 10, 20, 50], minor=False)
    axes.yaxis.set_minor_formatter("")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else None)


def main() -> None:
    """Train the three models, print their losses and plot them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="batches for each model (default: 600)")
    parser.add_argument("--output", type=Path, default=FOLDER / "train_gpt.svg", help="picture to write (default: beside this program)")
    options = parser.parse_args()
    torch.manual_seed(0)
    text, letters = read_text()
    runs = [train(start, text, letters, options.steps) for start in STARTS]
    print(f"{len(text)} letters, {letters} different: a guess has the loss {math.log(letters):.2f}")
    print(table(runs))
    plot(runs, letters, options.output)


if __name__ == "__main__":
    main()
