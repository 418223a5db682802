from __future__ import annotations

from pathlib import Path

from model.training.log import Log


def test_rows_are_kept_in_order_and_steps_in_full(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    assert log.rows() == []
    log.add({"step": 1_234_567, "loss": 0.123456789})
    log.add({"step": 1_234_568, "loss": 2.0})
    assert log.path.read_text().splitlines() == ["step,loss", "1234567,0.123457", "1234568,2"]


def test_a_new_column_leaves_earlier_rows_empty(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    log.add({"step": 1, "loss": 0.5})
    log.add({"step": 2, "loss": 0.25, "memory_mb": 7})
    log.add({"step": 3, "loss": 0.125})
    assert [(row["step"], row["memory_mb"]) for row in log.rows()] == [
        ("1", ""),
        ("2", "7"),
        ("3", ""),
    ]


def test_rows_past_a_step_are_cut(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    log.cut(5)  # nothing there yet
    for step in (5, 10, 15):
        log.add({"step": step})
    log.cut(10)
    assert [row["step"] for row in log.rows()] == ["5", "10"]
    log.cut(0)
    log.add({"step": 5})
    assert [row["step"] for row in log.rows()] == ["5"]
