from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.training.log import LOG_FILE, Log
from model.training.loop import TrainingConfig, draw_seed, fit
from model.training.settings import ChangedSettingsError
from model.training.state import STATE_FILE, load_average
from model.training.stopping import TrainingStopped
from tests.model.training.line import Line, config, loss, loss_at, losses


class Killed(Exception):
    """Stands for a kill that no code sees coming."""


def run_until(calls_left: int, folder: Path, training: TrainingConfig, event: Any) -> None:
    """Train until the loss has been asked so many times, then have `event` happen in it."""

    def interrupted(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        nonlocal calls_left
        if calls_left == 0:
            event()
        calls_left -= 1
        return loss(model, generator)

    fit(Line(), interrupted, training, folder)


def kill() -> None:
    raise Killed


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_loss_falls(tmp_path: Path) -> None:
    fit(Line(), loss, config(100, learning_rate=1e-2), tmp_path)
    curve = [float(value) for _, value in losses(tmp_path)]
    assert curve[-1] < curve[0] / 5


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_is_the_uninterrupted_one(
    accumulate: int, precision: str, tmp_path: Path
) -> None:
    training = config(40, accumulate=accumulate, precision=precision, ema_decay=0.8)
    model, same = Line(), Line()
    whole = fit(model, loss, training, tmp_path / "whole")
    with pytest.raises(Killed):  # at step 27, saved at 21 and logged at 25
        run_until(27 * accumulate, tmp_path / "parts", training, kill)
    assert losses(tmp_path / "parts")[-1][0] == "25"
    resumed = fit(same, loss, training, tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert_equal(same, model)
    assert_equal(resumed, whole)
    assert any(
        not torch.equal(mean, value)
        for mean, value in zip(whole.parameters(), model.parameters(), strict=True)
    )


def test_the_log_of_a_run_killed_before_its_first_save_starts_again(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_until(6, tmp_path, config(10), kill)
    assert losses(tmp_path)
    assert not (tmp_path / STATE_FILE).exists()
    fit(Line(), loss, config(10), tmp_path)
    assert [step for step, _ in losses(tmp_path)] == ["5", "10"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_the_step_and_saves_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    handler = signal.getsignal(number)
    with pytest.raises(TrainingStopped, match=f"{number.name} after step 9 of 20") as stopped:
        run_until(8, tmp_path / "parts", config(20), lambda: os.kill(os.getpid(), number))
    assert stopped.value.number == number
    assert signal.getsignal(number) is handler
    resumed = fit(Line(), loss, config(20), tmp_path / "parts")
    whole = fit(Line(), loss, config(20), tmp_path / "whole")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert_equal(resumed, whole)


def test_a_signal_in_the_last_step_lets_the_run_end(tmp_path: Path) -> None:
    run_until(9, tmp_path, config(10), lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert losses(tmp_path)[-1][0] == "10"


class JointLoss:
    """The loss of each step's two micro-batches in one forward."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self, model: nn.Module, first: torch.Generator) -> dict[str, Tensor]:
        second = torch.Generator().manual_seed(draw_seed(0, self.step, 1))
        self.step += 1
        return loss_at(model, torch.cat([torch.randn(64, 2, generator=g) for g in (first, second)]))


def test_micro_batches_add_up_to_the_batch_that_they_make(tmp_path: Path) -> None:
    parts = fit(Line(), loss, config(20, accumulate=2), tmp_path / "parts")
    joint = fit(Line(), JointLoss(), config(20), tmp_path / "joint")
    for (step, one), (_, other) in zip(
        losses(tmp_path / "parts"), losses(tmp_path / "joint"), strict=True
    ):
        assert float(one) == pytest.approx(float(other), rel=1e-4), step
    for one, other in zip(parts.parameters(), joint.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_every_micro_batch_of_every_seed_draws_by_itself() -> None:
    drawn = {
        torch.rand(1, generator=torch.Generator().manual_seed(draw_seed(*place))).item()
        for place in itertools.product((0, 1, 2**32), (0, 1, 7), (0, 1, 2))
    }
    assert len(drawn) == 27


def test_low_precision_is_of_the_forward_and_not_of_the_weights(tmp_path: Path) -> None:
    seen = []

    def watched(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        seen.append(model(torch.randn(4, 2, generator=generator)).dtype)
        return loss(model, generator)

    model = Line()
    fit(model, watched, config(2, precision="bfloat16"), tmp_path)
    assert set(seen) == {torch.bfloat16}
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    for values in (*model.parameters(), *state["model"].values(), *state["ema"].values()):
        assert values.dtype == torch.float32
    for optimizer in state["optimizers"]:
        for moments in optimizer["state"].values():
            assert all(m.dtype == torch.float32 for m in moments.values())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 0.5}, "learning_rate: 0.001 -> 0.5"),
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"accumulate": 2}, "micro_batches: 1 -> 2"),
        ({"precision": "bfloat16"}, "precision: 'float32' -> 'bfloat16'"),
        ({"warmup": 6, "ema_decay": 0.5}, "warmup: 5 -> 6; ema_decay: 0.999 -> 0.5"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    fit(Line(), loss, config(5), tmp_path)
    with pytest.raises(ChangedSettingsError, match="allow-changed-settings") as refused:
        fit(Line(), loss, config(10, **changes), tmp_path)
    assert named in str(refused.value).replace("weight_decay", "")
    fit(Line(), loss, config(10, **changes, allow_changed_settings=True), tmp_path)
    fit(Line(), loss, config(15, **changes), tmp_path)  # these are the run's settings now


def test_a_run_may_be_made_longer_and_saved_more_often(tmp_path: Path) -> None:
    fit(Line(), loss, config(10), tmp_path)
    fit(Line(), loss, config(20, save_every=1, log_every=2), tmp_path)
    assert [step for step, _ in losses(tmp_path)] == ["5", "10", "12", "14", "16", "18", "20"]


def test_a_run_is_not_made_shorter_than_it_is(tmp_path: Path) -> None:
    fit(Line(), loss, config(10), tmp_path)
    with pytest.raises(ValueError, match="give at least 10"):
        fit(Line(), loss, config(9), tmp_path)


def test_the_saved_average_is_the_returned_one(tmp_path: Path) -> None:
    average = fit(Line(), loss, config(20), tmp_path)
    loaded = Line()
    assert load_average(tmp_path, loaded) == 20
    assert_equal(loaded, average)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    fit(Line(), loss, config(20), tmp_path)
    before = losses(tmp_path)
    fit(Line(), loss, config(20), tmp_path)
    assert losses(tmp_path) == before


def test_the_log_says_how_fast_it_goes(tmp_path: Path) -> None:
    fit(Line(), loss, config(10, samples=64, accumulate=2), tmp_path)
    first, last = Log(tmp_path / LOG_FILE).rows()
    assert 0 < float(first["seconds"]) < float(last["seconds"])
    passed = float(last["seconds"]) - float(first["seconds"])
    assert float(last["seconds_per_step"]) * 5 == pytest.approx(passed, rel=1e-3)
    speed = float(last["samples_per_second"])
    assert speed == pytest.approx(128 / float(last["seconds_per_step"]), rel=1e-4)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": model(torch.full((1, 2), torch.inf)).sum()}

    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(Line(), broken, config(20), tmp_path / "logged")
    with pytest.raises(FloatingPointError, match="the gradient is nan at step 2"):
        fit(Line(), broken, config(20, save_every=2), tmp_path / "saved")
    assert not (tmp_path / "saved" / STATE_FILE).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 1, "accumulate": 0}, "accumulate must be at least 1"),
        ({"steps": 1, "precision": "half"}, "float32 or bfloat16"),
        ({"steps": 1, "seed": 2**63}, "seed must be in"),
        ({"steps": 1, "learning_rate": -1.0}, "learning_rate must be 0 or more"),
        ({"steps": 1, "clip_norm": 0.0}, "clip_norm must be positive"),
        ({"steps": 1, "ema_decay": 2.0}, "ema_decay must be from 0 to below 1"),
        ({"steps": 1, "final_learning_rate": -3.0}, "final_learning_rate must be from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    fit(Line(), loss, config(2), tmp_path)
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"state\.pt is damaged .*delete it"):
        fit(Line(), loss, config(3), tmp_path)
