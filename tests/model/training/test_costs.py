from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.training import costs
from model.training.costs import StepCost, StepSetting, compare, contests, measure_step, to_markdown

SMALL = AutoEncoderConfig(64, (LevelConfig(32, 8, 1),))
LARGE = AutoEncoderConfig(64, (LevelConfig(256, 8, 6),))
SETTING = StepSetting(batch=1, device="cpu", steps=1, points=512, queries=256)


def parameters(config: AutoEncoderConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in AutoEncoder(config).parameters())


@pytest.mark.parametrize("name", contests())
def test_both_models_of_a_contest_have_the_same_latents_and_layers(name: str) -> None:
    contest = contests()[name]
    assert contest.vecset.levels[-1].tokens == contest.lagem.levels[-1].tokens
    for config in (contest.vecset, contest.lagem):
        assert sum(level.layers for level in config.levels) == 24
    assert parameters(contest.lagem) > parameters(contest.vecset)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_are_made_in_the_precision_asked_for(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced: list[bool] = []
    original = costs.query

    def watched(*arguments: Any) -> torch.Tensor:
        reduced.append(torch.is_autocast_enabled("cpu"))
        return original(*arguments)

    monkeypatch.setattr(costs, "query", watched)
    cost = measure_step(SMALL, replace(SETTING, precision=precision, steps=2))
    assert reduced == [precision == "bfloat16"] * 3  # one more to warm up
    assert cost.seconds > 0


@pytest.mark.slow
def test_models_are_measured_in_processes_of_their_own() -> None:
    contest = costs.Contest("tiny", vecset=LARGE, lagem=SMALL, batch=1)
    found = compare(contest, replace(SETTING, batch=16, points=2048), rounds=1)
    vecset, lagem = found["VecSet"], found["LaGeM"]
    assert vecset is not None
    assert lagem is not None
    assert 0 < lagem.peak_bytes < vecset.peak_bytes


def test_what_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(config: AutoEncoderConfig, setting: StepSetting) -> StepCost:
        if config is LARGE:
            raise torch.OutOfMemoryError
        return StepCost(2.0, 3_000_000)

    monkeypatch.setattr(costs, "_in_own_process", measure)
    contest = costs.Contest("x", vecset=LARGE, lagem=SMALL, batch=1, paper_time=0.7)
    found = compare(contest, SETTING, rounds=2)
    assert found == {"VecSet": None, "LaGeM": StepCost(2.0, 3_000_000)}
    assert "| seconds a step | OOM | 2 | - | 0.70x |" in to_markdown(contest, found, "x")


def test_ratios_are_lagems_share_of_vecsets_cost() -> None:
    contest = costs.Contest("x", LARGE, SMALL, 1, paper_time=0.87, paper_memory=0.66)
    found: dict[str, StepCost | None] = {
        "VecSet": StepCost(2.0, 4_000_000),
        "LaGeM": StepCost(1.0, 3_000_000),
    }
    text = to_markdown(contest, found, "heading")
    assert "| seconds a step | 2 | 1 | **0.50x** | 0.87x |" in text
    assert "| peak memory, MB | 4 | 3 | **0.75x** | 0.66x |" in text
