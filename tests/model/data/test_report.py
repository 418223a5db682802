"""The report of prepared meshes: saved as it was, told in words, and strict about what it is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.data.report import PrepareReport, ShardReport
from model.data.shards import PointCounts

POINTS = PointCounts(8, 6, 4)


@pytest.fixture
def report() -> PrepareReport:
    return PrepareReport(
        seed=3,
        points=POINTS,
        inputs="abc",
        shards={
            "meshes-00000": ShardReport(
                5,
                {"chair": 1, "lamp": 2},
                0,
                {"a.ply": "not closed: 7%", "b.ply": "timeout: 30 s"},
            ),
            "meshes-00001": ShardReport(3, {"lamp": 1}, 1, {"c.ply": "not closed: 9% | more"}),
        },
        duplicates={"d.ply": "a.ply"},
        seconds=12.4,
    )


def test_counts_by_reason_and_category(report: PrepareReport) -> None:
    assert report.prepared == 5
    assert report.reasons() == {"not closed": 2, "timeout": 1}
    assert report.categories() == {"lamp": 3, "chair": 1}


def test_goes_on_from_what_was_saved(report: PrepareReport, tmp_path: Path) -> None:
    report.save(tmp_path)
    assert PrepareReport.resume(tmp_path, seed=3, points=POINTS, inputs="abc") == report


def test_begins_where_nothing_was_saved(tmp_path: Path) -> None:
    fresh = PrepareReport.resume(tmp_path / "absent", seed=3, points=POINTS, inputs="abc")
    assert fresh == PrepareReport(3, POINTS, "abc")


def test_summary_tells_why_and_what(report: PrepareReport) -> None:
    lines = report.markdown().splitlines()
    assert "- 5 shapes in shards, with 8 surface, 6 volume and 4 near points each" in lines
    assert "- seed 3, 12 s" in lines
    table = [line for line in lines if line.startswith("| ")]
    assert table == [
        "| reason | files | of those tried | example |",
        "| not closed | 2 | 25.0% | c.ply: 9% \\| more |",
        "| timeout | 1 | 12.5% | b.ply: 30 s |",
        "| category | shapes |",
        "| lamp | 3 |",
        "| chair | 1 |",
        "| (none) | 1 |",
    ]


def test_refuses_the_report_of_an_older_version(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"seed": 3, "shards": {}}))
    with pytest.raises(ValueError, match="shards of another version"):
        PrepareReport.resume(tmp_path, seed=3, points=POINTS, inputs="abc")
