"""What a run of a recipe has done: `recipe.json` in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.cli.recipe.stages import Stage
from model.training.settings import differences

RECORD_FILE = "recipe.json"


@dataclass(frozen=True)
class Record:
    """An entry a stage that has begun: what it was asked, its command, seconds, whether done."""

    path: Path
    values: dict[str, Any]

    @classmethod
    def open(cls, run: Path) -> Record:
        """The record of a run's folder, empty where there is none.

        Raises:
            ValueError: it is damaged.
        """
        path = run / RECORD_FILE
        if not path.exists():
            return cls(path, {"stages": {}})
        try:
            values: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error}): choose another --run") from None
        return cls(path, values)

    def require_same(self, model: dict[str, Any], planned: Sequence[Stage]) -> None:
        """Let a run go on with its recipe: stages that it has begun must be as they were.

        Raises:
            ValueError: one differs, or the model does.
        """
        shown = json.loads(json.dumps({"model": model}))
        changed = differences({"model": self.values.setdefault("model", shown["model"])}, shown)
        stages = {stage.name: stage for stage in planned}
        for name, entry in self.values["stages"].items():
            stated = stages[name].shown() if name in stages else None
            changed += differences({name: entry["recipe"]}, {name: stated})
        if changed:
            raise ValueError(
                f"{self.path.parent} was begun with another recipe ({'; '.join(changed)}): give "
                "that again, or choose another --run"
            )

    def done(self, stage: Stage) -> bool:
        """Whether a stage has been done."""
        return bool(self.values["stages"].get(stage.name, {}).get("done"))

    def entry(self, stage: Stage) -> dict[str, Any]:
        """A stage's entry, begun if need be."""
        begun: dict[str, Any] = {"recipe": stage.shown(), "seconds": 0.0, "starts": 0}
        entry: dict[str, Any] = self.values["stages"].setdefault(stage.name, begun)
        return entry

    @contextmanager
    def timed(self, stage: Stage, *, finishes: bool = True, **facts: Any) -> Iterator[None]:
        """A block that carries a stage out; whatever ends it, its seconds are noted."""
        entry = self.entry(stage)
        entry["starts"] += 1
        entry.update(facts)
        self.save()
        begun = time.monotonic()
        try:
            yield
            entry["done"] = finishes
        finally:
            entry["seconds"] = round(entry["seconds"] + time.monotonic() - begun, 1)
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.values, indent=2) + "\n")
        temporary.replace(self.path)
