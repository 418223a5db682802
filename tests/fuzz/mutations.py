"""Ways to spoil a file. Each takes two whole numbers that say where and how: they shrink."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from tests.shapes import glb_bytes

Spoil = Callable[[bytes, int, int], bytes]

_MOST_BYTES = 3 * 2**20
_BOUNDARIES = (0, 1, 2, 3, 127, 128, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_NASTY: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 0.5, -0.0, 7, 255, 65_536, 2**31, 2**32, 2**63, 2**64),
    *(1e300, float("inf"), float("nan"), -1e-300, "", "VEC3", "SCALAR", "x" * 5000, "\ud800", "\0"),
    *([], {}, [[]], [0], [0] * 16, [0, 0, 0, 0], [1e30, 1e30, 1e30], {"0": 0}, "data:,", "../a"),
    *(10**400, [0] * 5000, 5120, 5123, 5125, 5126, "http://localhost/a", "data:;base64,AAAA"),
)
_WORDS = (
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"-1e999", b"1e-320", b"99999999999999999999", b"x"),
    *(b"2147483648", b"4294967296", b"0.5", b"1_0", b"0x10", b"\xff", b"\0", b"-", b"+", b"1e30"),
    *(b"list", b"uchar", b"double", b"end_header", b"element", b"f", b"v", b"endsolid", b"binary"),
    *(b"True", b"(", b")", b"'", b"'|O'", b"'<f8'", b"9" * 300, b"\n", b"\r", b"#", b"/", b"\\"),
)
_NUMBER = re.compile(rb"[-+.\deE]*\d[-+.\deE]*")
_WORD = re.compile(rb"[^\s,:{}\[\]]+")


def flip(data: bytes, a: int, b: int) -> bytes:
    """One bit."""
    if not data:
        return data
    place = a % len(data)
    return data[:place] + bytes([data[place] ^ 1 << b % 8]) + data[place + 1 :]


def replace_byte(data: bytes, a: int, b: int) -> bytes:
    place = a % (len(data) + 1)
    return data[:place] + bytes([b % 256]) + data[place + 1 :]


def cut_end(data: bytes, a: int, b: int) -> bytes:
    return data[: a % (len(data) + 1)]


def cut_begin(data: bytes, a: int, b: int) -> bytes:
    return data[min(a % (len(data) + 1), 1 + b % 200) :]


def cut_out(data: bytes, a: int, b: int) -> bytes:
    place = a % (len(data) + 1)
    return data[:place] + data[place + 1 + b % 300 :]


def insert(data: bytes, a: int, b: int) -> bytes:
    place = a % (len(data) + 1)
    return data[:place] + struct.pack("<Q", b)[: 1 + b % 8] * (1 + b % 40) + data[place:]


def repeat(data: bytes, a: int, b: int) -> bytes:
    place = a % (len(data) + 1)
    piece = data[place : place + 1 + b % 3000]
    return data[:place] + piece * (2 + b % 5) + data[place:]


def splice(data: bytes, a: int, b: int) -> bytes:
    """The beginning with another end of the same file."""
    return data[: a % (len(data) + 1)] + data[b % (len(data) + 1) :]


def swap(data: bytes, a: int, b: int) -> bytes:
    first, second = sorted((a % (len(data) + 1), b % (len(data) + 1)))
    return data[:first] + data[second:] + data[first:second]


def number_32(data: bytes, a: int, b: int) -> bytes:
    """A 32-bit number that means something to somebody, near the begin as often as anywhere."""
    place = a // 2 % (min(len(data), 400) + 1) if a % 2 else a // 2 % (len(data) + 1)
    order = "<" if b % 2 else ">"
    value = _BOUNDARIES[b // 2 % len(_BOUNDARIES)]
    return data[:place] + struct.pack(f"{order}I", value) + data[place + 4 :]


def float_32(data: bytes, a: int, b: int) -> bytes:
    """A single-precision number: infinite, not one, denormal, or huge."""
    value = (0x7F800000, 0xFFC00000, 1, 0x7F7FFFFF, 0xFF7FFFFF, 0x80000000)[b % 6]
    place = a % (len(data) + 1)
    place -= place % 4 if b % 7 else 0
    return data[:place] + struct.pack("<I", value) + data[place + 4 :]


def word(data: bytes, a: int, b: int) -> bytes:
    """Another word in place of one; of the first few as often as of any."""
    return _replaced(_WORD, data, a, _WORDS[b % len(_WORDS)])


def number(data: bytes, a: int, b: int) -> bytes:
    """Another number in place of one, such as a count, an index or a coordinate."""
    values = (*_WORDS[:12], *(str(value).encode() for value in _BOUNDARIES))
    return _replaced(_NUMBER, data, a, values[b % len(values)])


def line(data: bytes, a: int, b: int) -> bytes:
    """A line doubled, left out or moved."""
    lines = data.split(b"\n")
    place, other = a % len(lines), b // 3 % len(lines)
    moved = lines[place]
    if b % 3 == 0:
        return b"\n".join(lines[:place] + lines[place + 1 :])
    rest = lines if b % 3 == 1 else lines[:place] + lines[place + 1 :]
    return b"\n".join([*rest[:other], moved, *rest[other:]])


def document(data: bytes, a: int, b: int) -> bytes:
    """A value of a glTF document replaced or removed: counts, offsets, types, references."""
    text, binary = _opened(data)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return data
    places = list(_places(tree))
    if not places:
        return data
    holder, key = places[a % len(places)]
    if b % 9 == 0:
        del holder[key]
    elif b % 9 == 1 and isinstance(holder[key], int):
        holder[key] += (-1, 1, 4, -4, 1000)[b // 9 % 5]
    else:
        holder[key] = _NASTY[b // 9 % len(_NASTY)]
    try:
        spoiled = json.dumps(tree).encode()
    except ValueError:  # a number of too many digits
        return data
    return spoiled if binary is None else glb_bytes(spoiled, binary)


def _opened(data: bytes) -> tuple[bytes, bytes | None]:
    if not data.startswith(b"glTF"):
        return data, None
    size = int.from_bytes(data[12:16], "little")
    return data[20 : 20 + size], data[28 + size :]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(min(len(node), 50)):
            yield node, key
            yield from _places(node[key])


def _replaced(pattern: re.Pattern[bytes], data: bytes, a: int, value: bytes) -> bytes:
    found = [match.span() for match in pattern.finditer(data[:20_000])]
    if not found:
        return data
    start, end = found[a // 2 % (min(len(found), 30) if a % 2 else len(found))]
    return data[:start] + value + data[end:]


BLIND: tuple[Spoil, ...] = (
    *(flip, replace_byte, cut_end, cut_begin, cut_out, insert, repeat, splice, swap),
    *(number_32, float_32),
)
KNOWING: tuple[Spoil, ...] = (word, number, line, document)

_WHERE = st.integers(0, 2**32)


def mutations(kinds: tuple[Spoil, ...] = BLIND + KNOWING) -> st.SearchStrategy[list[Any]]:
    """One to four ways to spoil a file, one after the other."""
    return st.lists(st.tuples(st.sampled_from(kinds), _WHERE, _WHERE), min_size=1, max_size=4)


def spoiled(data: bytes, ways: list[tuple[Spoil, int, int]]) -> bytes:
    """A file spoiled in these ways, and not much larger."""
    for way, a, b in ways:
        data = way(data, a, b)[:_MOST_BYTES]
    return data
