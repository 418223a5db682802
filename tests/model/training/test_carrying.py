"""The list of files that another machine needs: what stands in it, and that it is always whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.cli.recipe.carrying import LIST_FILE, listed_size, write_list
from model.cli.recipe.record import Record


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with files to carry, and with some that are made again."""
    for name in ("recipe.json", "train/level3/state.pt", "data/synth/0.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("four")
    return tmp_path


def write(run: Path) -> None:
    write_list(run, [], Record(run / "recipe.json", {"stages": {}}))


def test_the_list_names_what_is_not_made_again(run: Path) -> None:
    assert listed_size(run) == (0, 0)
    write(run)
    assert (run / LIST_FILE).read_text() == "recipe.json\ntrain/level3/state.pt\n"
    assert listed_size(run) == (2, 8)


def test_a_kill_while_the_list_is_written_leaves_the_one_before(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for a kill that no code sees coming."""

    def half(path: Path, text: str) -> None:
        path.write_bytes(text[: len(text) // 2].encode())
        raise Killed

    write(run)
    before = (run / LIST_FILE).read_text()
    (run / "model.json").write_text("{}")
    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(Killed):
        write(run)
    monkeypatch.undo()
    assert (run / LIST_FILE).read_text() == before
    write(run)
    assert (run / LIST_FILE).read_text() == f"model.json\n{before}"
