"""The picture in the README: the size of the signal after each layer under three schemes. `python -m tools.documents.depth` draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.answer import Limits, answer
from service.contract.reading import read_text
from service.contract.request import InitRequest
from service.files.formats import find_format

FILE = Path(__file__).parents[2] / "docs" / "depth.svg"

LAYERS, UNITS, INPUTS, SEED = 30, 256, 64, 7

WIDTH, HEIGHT = 760, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 180, 46, 50  # the margins around the plot
DECADES = 6  # the vertical axis reaches from 10^-DECADES to 10^DECADES
TITLE = f"Root mean square of the signal after each layer ({UNITS} units, ReLU)"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Curve:
    """The curve of a scheme, with the position of its label."""

    scheme: str
    label: str
    color: str
    x: int
    y: int


CURVES = (
    Curve("normal", "N(0, 1)", "#c0392b", 172, 66),
    Curve("he_normal", "He", "#1f6f8b", 590, 159),
    Curve("xavier_normal", "Xavier", "#a86a12", 590, 262),
)


def signal(scheme: str) -> list[float]:
    """Return the root mean square of the inputs, and then of each layer's outputs."""
    outputs = _tensor((UNITS, INPUTS), "normal", "inputs")
    sizes = [_root_mean_square(outputs)]
    for layer in range(1, LAYERS + 1):
        outputs = np.maximum(_tensor((UNITS, UNITS), scheme, f"layer.{layer}") @ outputs, 0)
        sizes.append(_root_mean_square(outputs))
    return sizes


def _tensor(shape: tuple[int, int], scheme: str, name: str) -> npt.NDArray[Any]:
    """Return a tensor of the service, in float64, because the signal under N(0, 1) can overflow float32."""
    fields = {"shape": "{},{}".format(*shape), "scheme": scheme, "seed": str(SEED), "name": name}
    tensor = answer(read_text(InitRequest, fields.items()), find_format("raw"), Limits()).tensor
    return tensor.read().reshape(shape).astype(np.float64)


def _root_mean_square(outputs: npt.NDArray[Any]) -> float:
    return math.sqrt(float(np.mean(outputs * outputs)))


def picture() -> str:
    """Return the picture as SVG. Coordinates have one decimal, so the last digits of a matrix product do not matter."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
        ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="13" fill="#333">'
    )
    curves = (_drawn(curve, signal(curve.scheme)) for curve in CURVES)
    return "\n".join((head, *_axes(), *curves, "</svg>", ""))


def _x(layer: float) -> float:
    return LEFT + layer / LAYERS * (WIDTH - LEFT - RIGHT)


def _y(size: float) -> float:
    share = (math.log10(size) + DECADES) / (2 * DECADES)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes() -> list[str]:
    """Draw the background, the title and the axes."""
    right, bottom = _x(LAYERS), HEIGHT - BOTTOM
    rows = [
        f"<title>{TITLE}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
        f'<clipPath id="plot"><rect x="{LEFT}" y="{TOP}" width="{right - LEFT:.0f}" height="{bottom - TOP}"/></clipPath>',
        f'<text x="{LEFT}" y="27" font-size="15" font-weight="600">{TITLE}</text>',
    ]
    for exponent in range(-DECADES, DECADES + 1, 2):
        y, color = _y(10.0**exponent), "#999" if exponent == 0 else "#e4e4e4"
        rows.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" stroke="{color}"/>')
        rows.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_power_of_ten(exponent)}</text>')
    rows += [f'<text x="{_x(layer):.1f}" y="{bottom + 19}" text-anchor="middle">{layer}</text>' for layer in range(0, LAYERS + 1, 5)]
    rows.append(f'<text x="{_x(LAYERS / 2):.1f}" y="{bottom + 38}" text-anchor="middle">layer</text>')
    return rows


def _drawn(curve: Curve, sizes: list[float]) -> str:
    """Draw a curve up to the first point outside the plot, and its label."""
    last = next((layer for layer, size in enumerate(sizes) if abs(math.log10(size)) > DECADES), LAYERS)
    points = " ".join(f"{_x(layer):.1f},{_y(size):.1f}" for layer, size in enumerate(sizes[: last + 1]))
    line = f'fill="none" stroke="{curve.color}" stroke-width="2.5" stroke-linejoin="round" clip-path="url(#plot)"'
    return (
        f'<polyline points="{points}" {line}/>\n'
        f'<text x="{curve.x}" y="{curve.y}" fill="{curve.color}" font-weight="600">{curve.label}'
        f'<tspan x="{curve.x}" dy="17" font-weight="400">{_rounded(sizes[-1])} after {LAYERS} layers</tspan></text>'
    )


def _rounded(size: float) -> str:
    if 0.1 <= size < 10:
        return f"{size:.1f}"
    digit, _, exponent = f"{size:.0e}".partition("e")
    return f"{digit} × {_power_of_ten(int(exponent))}"


def _power_of_ten(exponent: int) -> str:
    return "1" if exponent == 0 else f"10{str(exponent).translate(_SUPERSCRIPTS)}"


if __name__ == "__main__":
    FILE.write_text(picture(), "utf-8")
