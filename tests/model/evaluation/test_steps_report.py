"""The report on the sampler's steps: what counts as worse, what is chosen, tables, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.evaluation.generation_report import (
    UNCONDITIONAL,
    GenerationProtocol,
    GenerationScores,
    SetResult,
)
from model.evaluation.steps_report import Run, RunResult, StepsReport

FINEST = GenerationScores(
    fpd=2.0, kpd=0.1, mmd=0.05, coverage=0.5, nearest_neighbour=0.6, recognised=0.9, whole=0.8
)


def result(run: Run, **changes: float | None) -> RunResult:
    scores = replace(FINEST, **changes)  # type: ignore[arg-type]
    return RunResult(run, (SetResult("chair", 100, 0, 200, scores),), (0.01, 0.02, 0.03), 0.9)


def report(*others: RunResult) -> StepsReport:
    return StepsReport(
        model="tiny",
        weights_sha256="a" * 64,
        extractor="mine",
        extractor_sha256="b" * 64,
        data="test",
        protocol=GenerationProtocol(7, 64, 2.0, resolution=64, solver="heun", guidance_level=1),
        tolerance=0.02,
        runs=(*others, result(Run("heun", 64, 1))),
    )


@pytest.mark.parametrize(
    ("name", "allowed", "too_bad"),
    [
        ("fpd", 2.039, 2.041),  # 2 % of 2
        ("mmd", 0.0509, 0.0511),
        ("coverage", 0.491, 0.489),
        ("recognised", 0.883, 0.881),
        ("whole", 0.785, 0.783),
        ("nearest_neighbour", 0.611, 0.613),
        ("nearest_neighbour", 0.389, 0.387),  # as far from 1/2 on the other side
    ],
)
def test_a_score_is_worse_beyond_the_tolerance(name: str, allowed: float, too_bad: float) -> None:
    sound, worse = (result(Run("heun", 8, 1), **{name: figure}) for figure in (allowed, too_bad))
    made = report(sound, worse)
    assert made.worse(sound) == ()
    assert made.worse(worse) == (name,)


def test_one_shape_is_never_worse_where_a_score_is_a_share_of_shapes() -> None:
    made = replace(report(), tolerance=0.0)
    one_less = result(Run("heun", 8, 1), recognised=0.89, whole=0.79, coverage=0.495)
    assert made.worse(one_less) == ()
    assert made.worse(result(Run("heun", 8, 1), recognised=0.88, fpd=2.001)) == (
        "fpd",
        "recognised",
    )
    assert made.one_shape("nearest_neighbour") == 0.5 / 100
    assert made.one_shape("mmd") == 0.0


WITHOUT = SetResult(UNCONDITIONAL, 10, 0, 400, replace(FINEST, fpd=9.0, whole=0.1, recognised=None))


def test_samples_without_category_do_not_count_beside_categories() -> None:
    plain = result(Run("heun", 64, 1))
    both = replace(plain, categories=(*plain.categories, WITHOUT))
    assert both.mean == plain.mean
    made, alone = (replace(report(), runs=(finest,)) for finest in (both, plain))
    assert made.one_shape("whole") == alone.one_shape("whole") == 1 / 100
    bad = replace(WITHOUT, scores=replace(WITHOUT.scores, fpd=99.0))
    assert made.worse(replace(both, categories=(*plain.categories, bad))) == ()
    assert "none 10 against 400" in made.to_markdown()
    assert len(made.to_dict()["runs"][0]["categories"]) == 2


def test_samples_without_category_alone_decide_by_the_scores_they_have() -> None:
    finest = replace(result(Run("heun", 64, 1)), categories=(WITHOUT,))
    bad = replace(WITHOUT, scores=replace(WITHOUT.scores, fpd=99.0))
    made = replace(
        report(), runs=(replace(finest, run=Run("heun", 8, 1), categories=(bad,)), finest)
    )
    assert made.chosen is finest
    assert made.worse(made.runs[0]) == ("fpd",)
    assert (made.one_shape("whole"), made.one_shape("recognised")) == (1 / 10, 0.0)
    assert "60.00 | - | 10.00 | 0 |" in made.to_markdown()


def test_better_is_never_worse_and_kpd_does_not_count() -> None:
    better = result(
        Run("heun", 8, 1),
        fpd=1.0,
        mmd=0.01,
        coverage=1.0,
        nearest_neighbour=0.5,
        whole=1.0,
        kpd=9.0,
    )
    assert report().worse(better) == ()


def test_a_score_that_only_the_finest_run_has_is_worse() -> None:
    assert report().worse(result(Run("heun", 8, 1), mmd=None)) == ("mmd",)
    plain = replace(report(), runs=(result(Run("heun", 64, 1), recognised=None),))
    assert plain.worse(result(Run("heun", 8, 1), recognised=None)) == ()


def test_the_cheapest_run_that_is_not_worse_is_chosen() -> None:
    bad = result(Run("dpm-solver++", 8, 1), fpd=3.0)
    good, dearer = result(Run("dpm-solver++", 12, 1)), result(Run("heun", 12, 1))
    assert report(bad, good, dearer).chosen is good
    assert report(bad).chosen.run == Run("heun", 64, 1)


def test_guided_levels_take_two_passes_an_evaluation() -> None:
    assert Run("heun", 18, 1).evaluations == 35
    assert Run("dpm-solver++", 18, 1).evaluations == 18
    assert Run("dpm-solver++", 18, 1).passes(levels=3, guidance=2.0) == 18 * 6
    assert Run("dpm-solver++", 18, guidance_level=3).passes(levels=3, guidance=2.0) == 18 * 4
    assert Run("dpm-solver++", 18, 1).passes(levels=3, guidance=1.0) == 18 * 3


def test_markdown_has_a_row_a_run_and_the_verdict() -> None:
    text = report(
        result(Run("dpm-solver++", 8, 1), fpd=3.0, coverage=0.1), result(Run("dpm-solver++", 12, 3))
    ).to_markdown()
    scores = "5.00 | 50.00 | 60.00 | 90.00 | 80.00 | 0 | 1.00 | 2.00 | 3.00 | 90.00"
    assert f"| heun | 64 | 1 | 127 | 762 | 2.00 | {scores} | - |" in text
    assert "| dpm-solver++ | 8 | 1 | 8 | 48 | 3.00 | 5.00 | 10.00 |" in text
    assert "| FPD, COV |" in text
    assert "**Chosen: dpm-solver++ 12, guided down to level 3**" in text
    assert "(48, 762 for heun 64)" in text
    for fact in ("chair 100 against 200", "more than 2 %", "COV 0.50, 1-NNA 0.50, recognised 1.00"):
        assert fact in text


def test_json_names_what_is_worse_and_chosen() -> None:
    made = report(result(Run("dpm-solver++", 8, 1), fpd=3.0))
    values = json.loads(json.dumps(made.to_dict()))
    assert values["runs"][0]["worse"] == ["fpd"]
    assert (values["runs"][0]["evaluations"], values["runs"][0]["passes"]) == (8, 48)
    assert values["runs"][0]["mean"]["fpd"] == 3.0
    assert values["chosen"] == {"solver": "heun", "steps": 64, "guidance_level": 1}
