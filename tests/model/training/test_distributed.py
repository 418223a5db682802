"""Two processes under torchrun train as one does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from model.training.distributed import World, joined
from model.training.log import LOG_FILE
from model.training.loop import fit
from tests.model.training.line import Line, config, loss, losses
from tests.model.training.test_loop import JointLoss

PATIENCE = 120  # seconds, on a busy machine


def torchrun(repo_root: Path, whole: Path, stopped: Path, pause: float) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    return subprocess.Popen(
        [*command, "-m", "tests.model.training.line", str(whole), str(stopped), str(pause)],
        cwd=repo_root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_processes_have_the_curve_of_one_also_when_stopped(
    repo_root: Path, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    launched = torchrun(repo_root, whole, stopped, pause=2)
    deadline = time.monotonic() + PATIENCE
    while not (stopped / LOG_FILE).exists():
        assert launched.poll() is None, launched.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    launched.terminate()
    printed, _ = launched.communicate(timeout=PATIENCE)
    assert launched.returncode != 0
    assert "stopped by SIGTERM after step" in printed
    assert len(losses(stopped)) < 6

    again = torchrun(repo_root, whole, stopped, pause=0)
    printed, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, printed
    assert losses(stopped) == losses(whole)

    fit(Line(), loss, config(30, accumulate=2), tmp_path / "accumulated")
    fit(Line(), JointLoss(), config(30), tmp_path / "joint")
    for other in ("accumulated", "joint"):
        for (step, mine), (_, theirs) in zip(losses(whole), losses(tmp_path / other), strict=True):
            assert float(mine) == pytest.approx(float(theirs), rel=1e-4), (other, step)


def test_a_process_that_torchrun_did_not_start_is_alone() -> None:
    with joined("cpu") as device:
        world = World.current()
    assert device == torch.device("cpu")
    assert (world.rank, world.size, world.leads) == (0, 1, True)
    model = Line()
    assert world.wrapped(model) is model
    assert world.largest(3) == 3
    assert world.agrees(3)
    with world.leader_first(), world.gathering(model, last=False):
        world.wait()
    values = torch.tensor([1.0, 2.0])
    assert torch.equal(world.mean(values), values)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="--nproc-per-node 2"), joined("cuda"):
        pass
