"""Which files of a run another machine needs to go on: `carry.txt` in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.cli.recipe.record import Record
from model.cli.recipe.stages import DATA, Stage

LIST_FILE = "carry.txt"
_MADE_AGAIN = ("latents.safetensors",)
_STATE = "state.pt"


def write_list(run: Path, planned: Sequence[Stage], record: Record) -> None:
    """Write the list, whole or not at all: one path a line, relative to the run's folder.

    Data and latents are made again there. A state goes once a later stage has it in its weights.
    """
    exported = {
        s.folders[""]: s.folders["--output"] for s in planned if record.done(s) and "" in s.folders
    }
    begun_from = {s.folders["--from"]: s for s in planned if "--from" in s.folders}
    spent = {weights for weights, stage in begun_from.items() if record.done(stage)}
    kept = [
        path
        for file in sorted(run.rglob("*"))
        if file.is_file()
        and (path := file.relative_to(run)).parts[0] != DATA
        and path.name not in _MADE_AGAIN
        and path.suffix != ".tmp"
        and not (path.name == _STATE and path.parts[0] in exported)
        and path.parent.as_posix() not in spent
        and path.name != LIST_FILE
    ]
    temporary = (run / LIST_FILE).with_suffix(".tmp")
    temporary.write_text("".join(f"{path.as_posix()}\n" for path in kept))
    temporary.replace(run / LIST_FILE)


def listed_size(run: Path) -> tuple[int, int]:
    """How many files the list names, and their bytes; none where there is no list."""
    if not (run / LIST_FILE).exists():
        return 0, 0
    sizes = [(run / name).stat().st_size for name in (run / LIST_FILE).read_text().splitlines()]
    return len(sizes), sum(sizes)
