"""The report on generated shapes: means, tables, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.evaluation.generation_report import (
    UNCONDITIONAL,
    GenerationProtocol,
    GenerationReport,
    GenerationScores,
    SetResult,
)

CHAIR = GenerationScores(2.0, 0.001, 0.04, 0.5, 0.75, 1.0, 0.25)
TABLE = GenerationScores(4.0, -0.003, 0.06, 1.0, 0.25, 0.5, 0.75)
NONE = GenerationScores(None, None, None, 0.0, 1.0, None, 0.0)


def report(**changes: object) -> GenerationReport:
    made = GenerationReport(
        model="tiny",
        weights_sha256="a" * 64,
        extractor="mine",
        extractor_sha256="b" * 64,
        data="test",
        baseline_data=None,
        protocol=GenerationProtocol(7, 18, 2.0, resolution=96, solver="heun", guidance_level=1),
        samples=(
            SetResult("chair", 8, 0, 16, CHAIR),
            SetResult("table", 8, 1, 16, TABLE),
            SetResult(UNCONDITIONAL, 4, 4, 32, NONE),
        ),
        baseline=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_means_are_over_categories_and_over_the_figures_there_are() -> None:
    mean = GenerationScores.mean([CHAIR, TABLE, NONE])
    assert mean.fpd == pytest.approx(3.0)
    assert mean.coverage == pytest.approx(0.5)
    assert GenerationScores.mean([NONE]).kpd is None


def test_markdown_has_the_units_of_its_headings() -> None:
    lines = report().to_markdown().splitlines()
    assert "| chair | 8 | 0 | 16 | 2.00 | 1.00 | 4.00 | 50.00 | 75.00 | 100.00 | 25.00 |" in lines
    assert "| table | 8 | 1 | 16 | 4.00 | -3.00 | 6.00 | 100.00 | 25.00 | 50.00 | 75.00 |" in lines
    assert "| none | 4 | 4 | 32 | - | - | - | 0.00 | 100.00 | - | 0.00 |" in lines


def test_the_mean_leaves_samples_without_category_out() -> None:
    lines = report().to_markdown().splitlines()
    assert "| mean |  |  |  | 3.00 | -1.00 | 5.00 | 75.00 | 50.00 | 75.00 | 50.00 |" in lines
    alone = report(samples=report().samples[2:])
    assert "| mean" not in alone.to_markdown()
    assert alone.to_dict()["mean"]["samples"] is None


def test_the_report_names_what_its_scores_depend_on() -> None:
    text = report().to_markdown()
    for fact in ("tiny (aaaaaaaaaaaa)", "mine (bbbbbbbbbbbb)", "seeds 7 on", "18 steps", "2048"):
        assert fact in text
    assert "guidance 2\n  down to level 1, surfaces extracted at resolution 96" in text
    assert "at least 98 %" in text


def test_a_baseline_has_its_own_table() -> None:
    shown = report(baseline_data="train", baseline=(SetResult("chair", 8, 0, 16, TABLE),))
    before, after = shown.to_markdown().split("shapes of train")
    assert "| chair | 8 | 0 | 16 | 4.00 |" in after
    assert "| chair | 8 | 0 | 16 | 2.00 |" in before


def test_dictionary_is_json_in_plain_units() -> None:
    values = json.loads(json.dumps(report().to_dict(), allow_nan=False))
    assert values["samples"][1]["scores"]["kpd"] == -0.003
    assert values["mean"]["samples"]["mmd"] == pytest.approx(0.05)
    assert values["mean"]["baseline"] is None
    assert values["protocol"]["points"] == 2048
