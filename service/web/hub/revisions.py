"""Revisions of a repository: each says how its checkpoint is drawn, and has a commit from which that can be read again.

`main` is seed 0. `seed=7,dtype=bfloat16,num_hidden_layers=2` has the fields of /checkpoint/{preset}.

Clients ask for the commit of a revision once, and then for its files by the commit alone, perhaps from another replica. So the 20 bytes
of a commit hold the fields themselves, in 16 bytes, and a check of 4. The check covers all that determines the bytes of the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from service.checkpoints.opening import Opened
from service.checkpoints.presets import Model
from service.contract.reading import unique_keys
from service.core.errors import InvalidValue
from service.core.tensors.dtypes import DTYPES

MAIN = "main"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")  # as it is written back
_FIELD_BYTES, _CHECK_BYTES = 16, 4
_DTYPES = tuple(sorted(DTYPES))


def is_commit(revision: str) -> bool:
    """Return whether a revision has the form of a commit."""
    return _COMMIT.fullmatch(revision) is not None


def fields_of(revision: str) -> dict[str, str]:
    """Return the fields in the name of a revision. Raises InvalidValue.

    >>> fields_of("seed=7,dtype=bfloat16")
    {'seed': '7', 'dtype': 'bfloat16'}
    """
    if revision == MAIN:
        return {}
    pairs = [part.partition("=") for part in re.split("[,;]", revision)]
    if any(not name or not equals for name, equals, _ in pairs):
        raise InvalidValue(
            "revision",
            expected="main, a commit, or fields such as seed=7,dtype=bfloat16,num_hidden_layers=2",
            received=revision,
            action="Write NAME=VALUE, separated by commas.",
        )
    return unique_keys([(name.strip(), value.strip()) for name, _, value in pairs])


def names_of(model: Model) -> list[str]:
    """Return the names of the fields of a model. In a commit a field has the number of its name, counted from 1."""
    return ["variant", *(field.name for field in model.architecture.fields)]


def commit_of(fields: Mapping[str, str], opened: Opened) -> str:
    """Return the commit of a revision with these fields: 40 hexadecimal digits. Raises InvalidValue if they are too long for it."""
    assert opened.model is not None, "a repository is a preset"
    manifest, names = opened.checkpoint.manifest, names_of(opened.model)
    packed = bytes([_DTYPES.index(manifest.dtype)]) + _varint(int(manifest.seed))
    for name in sorted(fields.keys() - {"seed", "dtype"}):
        packed += _varint(names.index(name) + 1) + _packed_value(fields[name])
    if len(packed) > _FIELD_BYTES:
        raise InvalidValue(
            "revision",
            expected=f"fields that fit into {_FIELD_BYTES} bytes of a commit",
            received=f"fields of {len(packed)} bytes",
            action="Give fewer fields, or download from /checkpoint.",
        )
    packed = packed.ljust(_FIELD_BYTES, b"\0")
    check = _check(packed, opened)
    return (_masked(packed, check) + check).hex()


def fields_of_commit(commit: str, model: Model) -> dict[str, str]:
    """Return the fields of a commit of a model. Raises InvalidValue.

    The check is left to the caller, who computes the commit of these fields again.
    """
    digits = bytes.fromhex(commit)
    try:
        return _unpacked(_masked(digits[:_FIELD_BYTES], digits[_FIELD_BYTES:]), names_of(model))
    except (IndexError, UnicodeDecodeError):
        raise unknown_commit(commit) from None


def unknown_commit(commit: str) -> InvalidValue:
    """Return the error for a commit that no revision of a repository has."""
    return InvalidValue(
        "revision",
        expected="a commit of this repository, from this version of the service",
        received=commit,
        action="Ask for main, or for fields such as seed=7.",
    )


def _unpacked(packed: bytes, names: Sequence[str]) -> dict[str, str]:
    """Return the fields. Raises IndexError or UnicodeDecodeError if these are none."""
    rest = iter(packed[1:])
    fields = {"dtype": _DTYPES[packed[0]], "seed": str(_read_varint(rest))}
    while number := _read_varint(rest):  # zeros follow the last field
        value = _read_varint(rest)
        fields[names[number - 1]] = _taken(rest, value >> 1).decode("utf-8") if value & 1 else str(value >> 1)
    return fields


def _taken(rest: Iterator[int], length: int) -> bytes:
    if length > _FIELD_BYTES:
        raise IndexError("the text has no end")
    return bytes(next(rest, 0) for _ in range(length))


def _packed_value(value: str) -> bytes:
    """Return an integer as twice its value, and any other text as its length, twice and one more, with its characters after it."""
    if _INTEGER.fullmatch(value):
        return _varint(2 * int(value))
    text = value.encode("utf-8")
    return _varint(2 * len(text) + 1) + text


def _varint(number: int) -> bytes:
    """Return an unsigned integer in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _read_varint(rest: Iterator[int]) -> int:
    """Return the next integer; 0 after the end."""
    number = shift = 0
    for byte in rest:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number
    if shift:
        raise IndexError("the number has no end")
    return 0


def _check(packed: bytes, opened: Opened) -> bytes:
    content = f"{opened.model.name if opened.model else ''}\n{opened.checkpoint.digest}\n".encode() + packed
    return hashlib.blake2b(content, digest_size=_CHECK_BYTES).digest()


def _masked(packed: bytes, check: bytes) -> bytes:
    """Return the fields combined with digits that depend on the check. Applied twice, it returns them. So short forms of commits differ."""
    mask = hashlib.blake2b(check, digest_size=_FIELD_BYTES).digest()
    return bytes(byte ^ other for byte, other in zip(packed, mask))
