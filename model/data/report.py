"""What became of a folder of meshes: `report.json` to go on from, `report.md` to read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from model.data.shards import FORMAT, PointCounts

REPORT_NAME = "report.json"
SUMMARY_NAME = "report.md"


@dataclass(slots=True)
class ShardReport:
    """What became of the files of one shard."""

    files: int  # that were tried
    categories: dict[str, int] = field(default_factory=dict)  # shapes in the shard by name
    unlabelled: int = 0  # shapes in the shard without a category
    skipped: dict[str, str] = field(default_factory=dict)  # reason by file name

    @property
    def prepared(self) -> int:
        """Number of shapes in the shard."""
        return self.unlabelled + sum(self.categories.values())


@dataclass(slots=True)
class PrepareReport:
    """What became of every file, and what the shards were made of and with.

    `inputs` is the digest of the list of files with their categories. `duplicates` names, for each
    file left out as a copy, the file with the same bytes. A reason to skip a file is
    "kind: details", or a kind alone.
    """

    seed: int
    points: PointCounts
    inputs: str
    shards: dict[str, ShardReport] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def prepared(self) -> int:
        """Number of meshes in the shards."""
        return sum(shard.prepared for shard in self.shards.values())

    @property
    def skipped(self) -> dict[str, str]:
        """Reason by file name, of each file that was tried and is not in the shards."""
        return {name: why for shard in self.shards.values() for name, why in shard.skipped.items()}

    def reasons(self) -> dict[str, int]:
        """Number of files skipped by kind of reason, the most frequent first."""
        return dict(Counter(map(_kind, self.skipped.values())).most_common())

    def categories(self) -> dict[str, int]:
        """Number of labelled shapes by category, the most frequent first."""
        total: Counter[str] = Counter()
        for shard in self.shards.values():
            total.update(shard.categories)
        return dict(total.most_common())

    def save(self, folder: Path) -> None:
        """Write both files into the folder of shards, each whole or not at all."""
        counts = {
            "format": FORMAT,
            "prepared": self.prepared,
            "skipped": len(self.skipped),
            "reasons": self.reasons(),
            "categories": self.categories(),
        }
        _write(folder / SUMMARY_NAME, self.markdown())
        _write(folder / REPORT_NAME, json.dumps(counts | asdict(self), indent=1) + "\n")

    @classmethod
    def resume(cls, folder: Path, *, seed: int, points: PointCounts, inputs: str) -> PrepareReport:
        """The report of the shards that the folder holds; an empty one where it has none.

        Raises:
            ValueError: those shards were made of or with something else.
        """
        path = folder / REPORT_NAME
        if not path.exists():
            return cls(seed, points, inputs)
        saved = json.loads(path.read_text())
        if saved.get("format") != FORMAT:
            raise ValueError(f"{folder} holds shards of another version: choose another folder")
        _require(folder, seed, saved["seed"], "seed")
        _require(folder, points, PointCounts(**saved["points"]), "points:")
        if inputs != saved["inputs"]:
            raise ValueError(
                f"{folder} holds shards of other files or labels than these: choose another folder"
            )
        shards = {name: ShardReport(**shard) for name, shard in saved["shards"].items()}
        return cls(seed, points, inputs, shards, saved["duplicates"], saved["seconds"])

    def markdown(self) -> str:
        """The summary, with one example of each reason to skip a file."""
        examples = {
            _kind(why): f"{name}: {why.removeprefix(_kind(why)).lstrip(': ')}"
            for name, why in self.skipped.items()
        }
        tried = self.prepared + len(self.skipped)
        skips = [
            f"| {_cell(kind)} | {count} | {count / tried:.1%} | {_cell(examples[kind])} |"
            for kind, count in self.reasons().items()
        ]
        unlabelled = sum(shard.unlabelled for shard in self.shards.values())
        categories = [f"| {_cell(name)} | {n} |" for name, n in self.categories().items()]
        return "\n".join(
            [
                "# Prepared meshes",
                "",
                f"- {self.prepared} shapes in shards, with {self.points} each",
                f"- {len(self.skipped)} files skipped",
                f"- {len(self.duplicates)} files left out as copies of others",
                f"- seed {self.seed}, {self.seconds:.0f} s",
                "",
                "## Skipped",
                "",
                "| reason | files | of those tried | example |",
                "|---|---:|---:|---|",
                *skips,
                "",
                "## Categories",
                "",
                "| category | shapes |",
                "|---|---:|",
                *categories,
                f"| (none) | {unlabelled} |",
                "",
            ]
        )


def _require(folder: Path, wanted: object, found: object, what: str) -> None:
    if wanted != found:
        raise ValueError(
            f"{folder} holds shards made with {what} {found}, not {wanted}: "
            "give the same, or choose another folder"
        )


def _kind(reason: str) -> str:
    return reason.partition(":")[0]


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)
