"""Rows of numbers out of text lines, parsed in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Real

from model.geometry.errors import malformed, too_large

_LARGEST_WHOLE = 2.0**53  # above it float64, in which text is parsed, skips whole numbers


def parse_numbers(text: bytes, what: str) -> Float64[np.ndarray, " n"]:
    """All whitespace-separated numbers of `text`.

    Raises:
        MeshError: `malformed_mesh` where something else stands among them.
    """
    if text.isspace():
        return np.empty(0)  # in which numpy finds one number
    try:
        return np.fromstring(text, dtype=np.float64, sep=" ")
    except ValueError:
        raise malformed(f"The {what} hold something that is not a number.") from None


def whole_numbers(values: Real[np.ndarray, " n"], what: str) -> Int64[np.ndarray, " n"]:
    """`values` as int64; `what` names them in errors ("face indices").

    Raises:
        MeshError: `malformed_mesh` where one is a fraction, not finite or absurdly large.
    """
    if not ((np.abs(values) < _LARGEST_WHOLE) & (values == np.rint(values))).all():
        raise malformed(f"The {what} hold something that is not a whole number.")
    return values.astype(np.int64)


def _words_per_line(text: bytes) -> Int64[np.ndarray, " r"]:
    """How many words each line of `text` has; every line ends with a line feed."""
    characters = np.frombuffer(text, dtype=np.uint8)
    blank = (characters == ord(" ")) | ((characters >= ord("\t")) & (characters <= ord("\r")))
    begins_word = ~blank
    begins_word[1:] &= blank[:-1]
    line_ends = np.flatnonzero(characters == ord("\n"))
    if len(line_ends) == 0:
        return np.empty(0, dtype=np.int64)
    line_starts = np.concatenate([[0], line_ends[:-1] + 1])
    return np.add.reduceat(begins_word, line_starts, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class NumberRows:
    """Ragged rows of numbers in one flat array.

    Attributes:
        values: the numbers of all rows, one after the other.
        sizes: how many numbers each row has.
    """

    values: Float64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " r"]

    @classmethod
    def parse(cls, lines: Sequence[bytes], what: str, *, most: int) -> NumberRows:
        """One row a line.

        Args:
            lines: the text, without line ends.
            what: the rows' name in errors ("vertex lines").
            most: how many numbers are accepted in all; checked before they are parsed.

        Raises:
            MeshError: `malformed_mesh` where a line holds something that is not a number, or
                `mesh_too_large`.
        """
        text = b"\n".join([*lines, b""])
        sizes = _words_per_line(text)
        if sizes.sum() > most:
            raise too_large(f"numbers in the {what}", int(sizes.sum()), most)
        values = parse_numbers(text, what)
        if len(values) != sizes.sum():
            raise malformed(f"The {what} hold something that is not a number.")
        return cls(values, sizes)

    @property
    def starts(self) -> Int64[np.ndarray, " r"]:
        """Where each row begins in `values`."""
        starts: Int64[np.ndarray, " r"] = np.cumsum(self.sizes) - self.sizes
        return starts

    def leading(self, columns: int, what: str) -> Float64[np.ndarray, "r columns"]:
        """The first `columns` numbers of every row.

        Raises:
            MeshError: `malformed_mesh` where a row is shorter.
        """
        short = np.flatnonzero(self.sizes < columns)
        if len(short):
            row = int(short[0])
            raise malformed(
                f"Entry {row} of the {what} has {int(self.sizes[row])} numbers, "
                f"at least {columns} are needed."
            )
        return self.values[self.starts[:, None] + np.arange(columns)]
