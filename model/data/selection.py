"""Which files of a folder are taken: the training or the held-out part, less some patterns."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

SPLITS = ("all", "train", "test")


@dataclass(frozen=True, slots=True)
class Selection:
    """Files are told apart by name alone, so a folder that grows keeps its parts.

    Copies stay together: they are in the part of the first of their names, and left out together.
    """

    split: str = "all"  # one of `SPLITS`
    held_out: float = 0.05  # share of the files that are the test part
    exclude: tuple[str, ...] = ()  # patterns of names left out, as of a shell; * spans folders

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"no split {self.split!r}: choose one of {', '.join(SPLITS)}")
        if not 0 <= self.held_out <= 1:
            raise ValueError(f"held_out is a share from 0 to 1, got {self.held_out}")

    def takes(self, names: Collection[str]) -> bool:
        """Whether a file with these names, one for each of its copies, is taken."""
        if any(fnmatchcase(name, pattern) for pattern in self.exclude for name in names):
            return False
        if self.split == "all":
            return True
        held = zlib.crc32(f"split:{min(names)}".encode()) / 2**32 < self.held_out
        return held == (self.split == "test")

    def unmatched(self, names: Iterable[str]) -> list[str]:
        """Patterns that no name matches."""
        known = list(names)
        return [
            pattern
            for pattern in self.exclude
            if not any(fnmatchcase(name, pattern) for name in known)
        ]


EVERYTHING = Selection()
