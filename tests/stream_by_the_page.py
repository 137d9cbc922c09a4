"""The stream in plain Python, one element at a time, written from STREAM.md. It shares no code with the service."""

import math
import struct
from bisect import bisect_left, bisect_right
from decimal import Decimal, localcontext
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "service" / "core" / "stream" / "STREAM.md"
TOP = 1 << 63
LOW = 0xFFFFFFFF
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651")


class Format(NamedTuple):
    """A float format: codes for struct, stored bits of the significand, bits of √½, terms of the logarithm."""

    code: str
    integer: str
    stored: int = 0
    half_root: int = 0
    terms: int = 0

    def near(self, x: float) -> float:
        """Round to nearest even. For + - × ÷ √ of float32 numbers this gives the result of float32 arithmetic: 53 ≥ 2 × 24 + 2."""
        try:
            return float(struct.unpack(self.code, struct.pack(self.code, x))[0])
        except OverflowError:
            return math.copysign(math.inf, x)

    def bits(self, x: float) -> int:
        return int(struct.unpack(self.integer, struct.pack(self.code, x))[0])

    def of_bits(self, n: int) -> float:
        return float(struct.unpack(self.code, struct.pack(self.integer, n))[0])


HALF = Format("<e", "<H")
SINGLE = Format("<f", "<I", 23, 0x3F3504F3, 5)
DOUBLE = Format("<d", "<Q", 52, 0x3FE6A09E667F3BCD, 12)


@cache
def coefficients() -> dict[str, list[float]]:
    """Read P, Q, T and A … F from the columns of bits in STREAM.md."""
    tables: dict[str, list[float]] = {}
    letters: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells[2:3] == ["bits"]:
            letters = cells[1::2]
        elif cells and cells[0].isdecimal():
            for letter, bits in zip(letters, cells[2::2]):
                if bits:
                    tables.setdefault(letter, []).append((SINGLE if len(bits) == 8 else DOUBLE).of_bits(int(bits, 16)))
    return tables


def philox(counter: list[int], key: list[int]) -> list[int]:
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & LOW, (a >> 32) ^ counter[3] ^ key[1], a & LOW]
        key = [(key[0] + 0x9E3779B9) & LOW, (key[1] + 0xBB67AE85) & LOW]
    return counter


def stream_id(name: str | None) -> int:
    return 0 if name is None else int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") & ~TOP


def words(seed: int, name: str | None, index: int) -> tuple[int, int]:
    """Return word `index` of a tensor's stream and of its second stream."""
    block, place = divmod(index, 4)
    key = [seed & LOW, seed >> 32]
    first, second = (philox([block & LOW, block >> 32, n & LOW, n >> 32], key) for n in (stream_id(name), stream_id(name) | TOP))
    return first[place], second[place]


def polynomial(form: Format, c: list[float], x: float) -> float:
    v = c[-1]
    for term in reversed(c[:-1]):
        v = form.near(form.near(v * x) + term)
    return v


def minus_log(form: Format, p: float) -> float:
    near = form.near
    e = (form.bits(p) - form.half_root) >> form.stored
    m = form.of_bits(form.bits(p) - (e << form.stored))
    t = near(near(m - 1) / near(m + 1))
    r = [near(1 / (2 * k + 1)) for k in range(form.terms)]
    return -near(near(e * near(0.6931471805599453)) + near(2 * t * polynomial(form, r, near(t * t))))


def uniform(form: Format, word: int, second: int) -> float:
    width = form.stored + 1
    k = (word << 32 | second) >> (64 - width)
    return math.ldexp(2 * k + 1 - (1 << width), -width)


def normal32(word: int) -> float:
    near, c = SINGLE.near, coefficients()
    s = word - 2**31
    centre = s ^ (s >> 31)
    edge = 0x7FFFFFFF - centre
    p = near(near(edge) + 0.5) * 2**-32
    if edge >= 2**23:
        q = near(near(centre) + 0.5) * 2**-32
        y = near(p - near(p * p))
        z = near(near(q * polynomial(SINGLE, c["P"], y)) / polynomial(SINGLE, c["Q"], y))
    else:
        z = polynomial(SINGLE, c["T"], near(near(math.sqrt(minus_log(SINGLE, p))) - 3.5))
    return -z if s < 0 else z


def normal64(wide: int) -> float:
    s = wide - 2**63
    centre = s ^ (s >> 63)
    z = upper_normal64((float(0x7FFFFFFFFFFFFFFF - centre) + 0.5) * 2**-64, (float(centre) + 0.5) * 2**-64)
    return -z if s < 0 else z


def upper_normal64(p: float, q: float) -> float:
    """Return z(p) ≥ 0, the normal draw in float64 at the distance p from the end of the quantiles and q from their middle."""
    c = coefficients()
    if q <= 0.425:
        y = 0.180625 - q * q
        z = q * polynomial(DOUBLE, c["A"], y) / polynomial(DOUBLE, c["B"], y)
    else:
        x = math.sqrt(minus_log(DOUBLE, p))
        top, bottom, x = ("C", "D", x - 1.6) if x <= 5 else ("E", "F", x - 5)
        z = polynomial(DOUBLE, c[top], x) / polynomial(DOUBLE, c[bottom], x)
    return z


@cache
def quantile_range(a: float, b: float) -> tuple[int, int]:
    """Return `first` and `count` of the cut at [a, b]."""
    first = bisect_left(range(1 << 32), a, key=lambda v: normal64(v << 32))
    return first, bisect_right(range(1 << 32), b, key=lambda v: normal64(v << 32 | LOW)) - first


def draw(distribution: str, dtype: str, pair: tuple[int, int], cut: tuple[float, float] = (-2.0, 2.0)) -> float:
    """Return the draw of an element from its two words. `cut` applies to truncated normals, in standard deviations."""
    form = DOUBLE if dtype == "float64" else SINGLE
    word, second = pair
    if distribution == "uniform":
        return uniform(form, word, second)
    if distribution == "normal":
        return normal32(word) if form is SINGLE else normal64(word << 32 | second)
    first, count = quantile_range(*cut)
    if count < 2**16:
        return rare_draw(form, pair, *cut)
    v, wide = first + (word * count >> 32), (first << 32) + word * count + (second * count >> 32)
    return min(max(normal32(v) if form is SINGLE else normal64(wide), form.near(cut[0])), form.near(cut[1]))


def rare_draw(form: Format, pair: tuple[int, int], a: float, b: float) -> float:
    """Return the draw of a cut that holds fewer than 2¹⁶ words."""
    word, second = pair
    w, bits = (word, 32) if form is SINGLE else ((word << 32 | second) >> 12, 52)
    u, v = (float(w) + 0.5) * 2**-bits, (float(2**bits - 1 - w) + 0.5) * 2**-bits
    drawn = -_rare_draw(v, u, -b, -a) if b < -1 else _rare_draw(u, v, a, b)
    return min(max(form.near(drawn), form.near(a)), form.near(b))


def _rare_draw(u: float, v: float, a: float, b: float) -> float:
    mass = float(f"{from_the_middle(b) - from_the_middle(a):.9e}")
    if a > 1:
        p = float(f"{Decimal('0.5') - from_the_middle(b):.9e}") + v * mass
        return upper_normal64(p, 0.5 - p)
    m = float(f"{from_the_middle(a):.9e}") + u * mass
    return math.copysign(upper_normal64(0.5 - abs(m), abs(m)), m)


@cache
def from_the_middle(z: float) -> Decimal:
    """Return Φ(z) - ½ in 100 digits, by the series of the error function."""
    with localcontext(prec=200):
        x, term, total, n = Decimal(z) ** 2 / 2, Decimal(z), Decimal(0), 0
        while abs(term) > Decimal("1e-100"):
            total += term / (2 * n + 1)
            n += 1
            term = -term * x / n
        return total / (2 * PI).sqrt()


def column(seed: int, name: str | None, start: int, m: int, j: int) -> list[float]:
    """Return column j of an orthonormal matrix of m rows that begins at word `start`."""
    vectors: list[list[float]] = []
    factors: list[float] = []
    sign = 1
    for k in range(j + 1):
        x = [0.0] * k + [draw("normal", "float64", words(seed, name, start + k * m + i)) for i in range(k, m)]
        length = math.sqrt(_in_order(x, x, k))
        factors.append(1 / (length * (length + abs(x[k]))))
        sign = -1 if x[k] > 0 else 1
        x[k] = x[k] + length if x[k] > 0 else x[k] - length
        vectors.append(x)
    y = [0.0] * m
    y[j] = 1.0
    for b in reversed(range(j // 4 + 1)):
        block = range(4 * b, min(4 * b + 4, j + 1))
        z = {k: _in_order(vectors[k], y, 4 * b) for k in block}
        a: dict[int, float] = {}
        for k in reversed(block):
            rest = z[k]
            for later in range(k + 1, block.stop):
                rest = rest - _in_order(vectors[k], vectors[later], 4 * b) * a[later]
            a[k] = factors[k] * rest
        for k in reversed(block):
            y = [value - component * a[k] for value, component in zip(y, vectors[k])]
    return [sign * value for value in y]


def _in_order(x: list[float], y: list[float], first: int) -> float:
    total = 0.0
    for i in range(first, len(x)):
        total = total + x[i] * y[i]
    return total


def value(dtype: str, drawn: float, loc: float = 0.0, scale: float = 1.0) -> bytes:
    """Return the bytes of loc + scale × draw."""
    form = DOUBLE if dtype == "float64" else SINGLE
    return rounded(dtype, form.near(loc) + form.near(form.near(scale) * drawn))


def rounded(dtype: str, x: float) -> bytes:
    """Return the bytes of a value, rounded to the precision of the draw first."""
    form = DOUBLE if dtype == "float64" else SINGLE
    x = form.near(x)
    if dtype == "bfloat16":
        bits = SINGLE.bits(x)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).to_bytes(2, "little")
    form = HALF if dtype == "float16" else form
    return struct.pack(form.code, form.near(x))
