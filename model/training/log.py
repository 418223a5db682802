"""The loss curve of a run: a CSV file of one row a line, monotone in `step`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_FILE = "log.csv"


@dataclass(frozen=True, slots=True)
class Log:
    """The rows of a CSV file, written as they come."""

    path: Path

    def rows(self) -> list[dict[str, str]]:
        """All rows; where a column was not there yet, its value is ""."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file, restval=""))

    def add(self, row: Mapping[str, float | int]) -> None:
        """Append a row; a column that is new is added to the rows before."""
        written = {
            name: str(value) if isinstance(value, int) else f"{value:.6g}"
            for name, value in row.items()
        }
        columns = self._columns()
        if not written.keys() <= set(columns):
            columns += [name for name in written if name not in columns]
            self._write(columns, self.rows())
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, columns, restval="").writerow(written)

    def cut(self, step: int) -> None:
        """Drop rows past `step`: a killed run leaves some that its checkpoint knows nothing of."""
        rows = self.rows()
        kept = [row for row in rows if float(row["step"]) <= step]
        if len(kept) < len(rows):
            self._write(self._columns(), kept)

    def _columns(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return next(csv.reader(file), [])

    def _write(self, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
        temporary = self.path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        temporary.replace(self.path)
