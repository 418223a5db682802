"""The benchmarks run and fill their tables; what they measure is not looked at."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
import torch

from benchmarks.__main__ import PARTS, main, measure
from benchmarks.comparison import Bench, Table, seconds, times
from benchmarks.machine import heading
from model.pipeline import ShapePipeline

pytest.importorskip("triton", reason="Triton is for Linux")

# The rows of every table of a quick run.
ROWS = {
    "decode": {"Decode: starter": 8, "Decode: other": 10, "Decode: paper": 4},
    "field": {"Field: forms, starter": 4, "Field: forms, paper": 4, "Field: how many": 2},
    "surface": {
        "Surface: what": 7,
        "Surface: marching": 4,
        "Surface: memory": 3,
        "Surface: every": 1,
    },
    "growth": {
        "Growth: resolution, generated": 2,
        "Growth: resolution, encoded": 2,
        "Growth: shapes": 2,
        "Growth: batch": 3,
    },
    "sampling": {
        "Sampling: the floor": 2,
        "Sampling: precision": 5,
        "Sampling: what bfloat16 moves": 1,
        "Sampling: torch.compile": 1,
        "Sampling: guidance": 6,
    },
    "endtoend": {
        "End to end": 2,
        "End to end: stages of a generation": 10,
        "End to end: stages of an encoding": 11,
        "End to end: preview": 2,
        "End to end: export": 1,
    },
    "overlap": {"Overlap": 2},
    "fps": {"Farthest points": 4},
    "peak": {
        "Peak: the machine": 4,
        "Peak: work": 5,
        "Peak: the kernel of grids": 2,
        "Peak: the kernel of the": 1,
    },
    "gpu": {"GPU": 1},
}


@pytest.fixture(scope="module")
def quick() -> Iterator[Bench]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as `main` does
    yield Bench(ShapePipeline.load(device="cpu"), quick=True)
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_fills_its_tables(part: str, quick: Bench) -> None:
    made = list(measure(quick, [part]))
    assert len(made) == len(ROWS[part])
    for table, (title, rows) in zip(made, ROWS[part].items(), strict=True):
        assert table.title.startswith(title)
        assert len(table.rows) == rows
        assert all(len(row) == len(table.head) for row in table.rows)
        assert all(row[0] or row is table.rows[-1] for row in table.rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_goals_on_a_gpu_are_measured_there() -> None:
    made = list(measure(Bench(ShapePipeline.load(device="cuda"), quick=True), ["gpu"]))
    assert [len(table.rows) for table in made] == [7, 2, 4, 2]


def test_the_heading_says_what_was_measured_and_where(quick: Bench) -> None:
    text = heading(quick)
    assert re.search(r"one thread, torch \d", text)
    assert quick.pipeline.info.weights_sha256[:12] in text
    assert "mean nothing" in text


def test_the_first_call_is_a_warm_up_and_every_call_has_its_turn(quick: Bench) -> None:
    order: list[str] = []
    spent = quick.in_turn({name: lambda name=name: order.append(name) for name in "ab"})
    assert order == ["a", "b", "a", "b"]
    assert list(spent) == ["a", "b"]


def test_a_table_is_markdown() -> None:
    table = Table("Title", ["what", "ratio"], [["field", times(12.34)]], "Note.")
    assert table.markdown().splitlines() == [
        "### Title",
        "",
        "Note.",
        "",
        "| what | ratio |",
        "| --- | ---: |",
        "| field | **12.3x** |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001234, "1.23 ms"),
        (0.0999, "99.9 ms"),
        (0.1234, "0.123 s"),
        (105.23, "105 s"),
        (9999, "10,000 s"),
    ],
)
def test_times_have_three_digits(value: float, text: str) -> None:
    assert seconds(value) == text


def test_an_unknown_part_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "fields"])
    with pytest.raises(SystemExit):
        main()
    assert "no part 'fields': choose from decode" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "field", "--device", "cuda"])
    with pytest.raises(SystemExit):
        main()
    assert "'cuda' is not on this machine" in capsys.readouterr().err
