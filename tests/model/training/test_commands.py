"""`lagem train` as a researcher calls it: categories, warm starts, changed settings, signals."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from model.checkpoint import load_checkpoint
from model.config import PRESETS, ModelConfig
from model.training.state import STATE_FILE
from tests.model.command import SMALL_BATCH, lagem, refuse, succeed
from tests.model.conftest import TINY
from tests.model.training.line import losses


@pytest.fixture(autouse=True)
def presets(monkeypatch: pytest.MonkeyPatch, tiny_config: ModelConfig) -> None:
    monkeypatch.setitem(PRESETS, "tiny", tiny_config)


def stage_1(run: Path, shards: Path, *more: object) -> tuple[object, ...]:
    command = ("train", "autoencoder", "--preset", "tiny", "--data", shards, "--run", run)
    return (*command, "--steps", 2, "--warmup", 1, "--log-every", 1, *SMALL_BATCH, *more)


def stage_2(run: Path, *more: object) -> tuple[object, ...]:
    command = ("train", "diffusion", "--run", run, "--level", 3, "--steps", 1)
    return (*command, "--draws", 4, "--batch", 2, "--surface-points", 64, *more)


def saved(stage: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(stage / STATE_FILE, map_location="cpu", weights_only=True)
    return state


def test_a_run_has_its_own_categories(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    seven = "tables,cars,chairs,planes,sofas,rifles"
    succeed(*stage_1(run, shards, "--categories", seven, "--categories", "lamp"))
    kept = json.loads((run / "model.json").read_text())["cascade"]["categories"]
    assert kept == [*seven.split(","), "lamp"]
    succeed(*stage_1(run, shards))  # what is not given stays as it is
    other = refuse(*stage_1(run, shards, "--categories", "tables"))
    assert "cascade.categories" in other
    assert "another --run" in other


def test_categories_that_no_shape_has_are_refused(shards: Path, tmp_path: Path) -> None:
    message = refuse(*stage_1(tmp_path / "run", shards, "--categories", "zebra"))
    assert "has a category of this run (zebra)" in message
    succeed(*stage_1(tmp_path / "run", shards, "--categories", "lamp"))


def test_labels_are_those_of_the_runs_own_categories(shards: Path, tmp_path: Path) -> None:
    run, one = tmp_path / "run", ("--categories", "lamp")
    succeed(*stage_1(run, shards, *one))
    succeed(*stage_2(run, "--draws", 64, "--data", shards, "--on-disk"))
    labels = load_file(run / "latents.safetensors")["category"]
    assert set(labels.tolist()) == {-1, 0}  # lamps, and everything else


def test_categories_need_a_cascade_and_names(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("chair,chair", "chair,,table"):
        message = refuse(*stage_1(tmp_path / "run", shards, "--categories", wrong))
        assert "different names" in message
    monkeypatch.setitem(PRESETS, "tiny", dataclasses.replace(TINY, cascade=None))
    message = refuse(*stage_1(tmp_path / "run", shards, "--categories", "chair"))
    assert "no cascade" in message
    assert not (tmp_path / "run").exists()


def test_a_new_run_starts_from_a_checkpoint(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    run, still = tmp_path / "run", ("--learning-rate", 0)
    warm = stage_1(run, shards, "--from", tiny_checkpoint, *still)
    succeed(*warm)
    checkpoint = load_checkpoint(tiny_checkpoint)
    weights = saved(run / "autoencoder")["model"]
    for name, value in checkpoint.autoencoder.state_dict().items():
        torch.testing.assert_close(weights[name], value)
    succeed(*warm)  # the same command goes on
    succeed(*stage_1(run, shards, *still))

    succeed(*stage_2(run, "--data", shards, "--from", tiny_checkpoint, *still))
    assert checkpoint.cascade is not None
    weights = saved(run / "level3")["model"]
    for name, value in checkpoint.cascade.denoisers[0].state_dict().items():
        torch.testing.assert_close(weights[name], value)

    cold = tmp_path / "cold"
    succeed(*stage_1(cold, shards))
    assert "from: None -> " in refuse(*stage_1(cold, shards, "--from", tiny_checkpoint))


def test_a_checkpoint_of_another_model_is_refused(
    shards: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    own = stage_1(run, shards, "--categories", "chair,table,car,airplane,sofa,rifle,lamp")
    succeed(*own)
    message = refuse(*stage_2(run, "--data", shards, "--from", tiny_checkpoint))
    assert "cascade.categories" in message
    starter = Path("model/weights/starter")
    message = refuse(*stage_1(tmp_path / "new", shards, "--from", starter))
    assert "autoencoder.channels: 128 -> 32" in message


def test_a_run_goes_on_with_changed_settings_only_when_told(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    succeed(*stage_1(run, shards))
    for changed, named in (
        (("--rotate", 0.25), "batch.rotate: 0.5 -> 0.25"),
        (("--near-weight", 1), "near_weight: 0.1 -> 1.0"),
        (("--hide-finer", 0.3), "hiding.hide_finer: 0.0 -> 0.3"),
        (("--freeze-encoder",), "freeze_encoder: False -> True"),
        (("--weight-decay", 0.5), "weight_decay: 0.01 -> 0.5"),
        (("--data", shards), "1 shards"),
    ):
        message = refuse(*stage_1(run, shards, *changed))
        assert named in message
        assert "--allow-changed-settings" in message
    changed = ("--steps", 4, "--rotate", 0.25, "--weight-decay", 0.5)
    succeed(*stage_1(run, shards, *changed, "--allow-changed-settings"))
    succeed(*stage_1(run, shards, *changed))

    succeed(*stage_2(run, "--data", shards))
    assert "batch: 2 -> 3" in refuse(*stage_2(run, "--batch", 3))


def test_a_stopped_command_says_so_and_goes_on(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.training import autoencoder

    drawn = autoencoder.reconstruction_loss

    def interrupted(*arguments: Any) -> dict[str, torch.Tensor]:
        os.kill(os.getpid(), signal.SIGTERM)
        return drawn(*arguments)

    run = tmp_path / "run"
    monkeypatch.setattr(autoencoder, "reconstruction_loss", interrupted)
    stopped = lagem(*stage_1(run, shards))
    assert stopped.exit_code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM after step 1 of 2, saved in" in stopped.stderr
    assert stopped.stdout == ""
    monkeypatch.undo()
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    succeed(*stage_1(run, shards))
    succeed(*stage_1(tmp_path / "whole", shards))
    assert losses(run / "autoencoder") == losses(tmp_path / "whole" / "autoencoder")


def test_commands_report_speed_and_take_precision_and_accumulation(
    shards: Path, tmp_path: Path
) -> None:
    more = ("--precision", "bfloat16", "--accumulate", 2, "--json")
    report = json.loads(succeed(*stage_1(tmp_path, shards, *more)))
    assert report["samples_per_second"] == pytest.approx(4 / report["seconds_per_step"], rel=1e-4)


PROGRAM = """
import sys
from model.cli import main
from model.config import PRESETS
from tests.model.conftest import TINY
PRESETS["tiny"] = TINY
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_both_stages_run_under_torchrun(shards: Path, tmp_path: Path, repo_root: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def torchrun(*arguments: object) -> None:
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--")
        done = subprocess.run(
            [sys.executable, *launcher, str(program), *map(str, arguments)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1  # the first process alone reports

    two, one = tmp_path / "two", tmp_path / "one"
    torchrun(*stage_1(two, shards))
    torchrun(*stage_2(two, "--data", shards))
    succeed(*stage_1(one, shards, "--accumulate", 2))
    succeed(*stage_2(one, "--data", shards, "--accumulate", 2))
    for stage in ("autoencoder", "level3"):
        for (_, mine), (_, theirs) in zip(losses(two / stage), losses(one / stage), strict=True):
            assert float(mine) == pytest.approx(float(theirs), rel=1e-4)
