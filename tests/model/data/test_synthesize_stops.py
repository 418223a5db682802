"""Synthesis by several processes ends when it is told to, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from model.data.shards import read_header

PATIENCE = 60  # seconds


@pytest.fixture
def synthesis(tmp_path: Path) -> subprocess.Popen[bytes]:
    """Two processes at work on shards, the first of which is written."""
    command = [sys.executable, "-m", "model.cli", "data", "synth", "-o", str(tmp_path)]
    command += ["--per-category", "2000", "--workers", "2"]
    command += ["--surface-points", "64", "--volume-points", "64", "--near-points", "64"]
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_answer_interrupts,
    )
    _wait_until(lambda: any(tmp_path.glob("*.safetensors")), "no shard was written")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(
    synthesis: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    family = psutil.Process(synthesis.pid).children(recursive=True)
    os.killpg(synthesis.pid, number) if number == signal.SIGINT else synthesis.send_signal(number)
    assert synthesis.wait(PATIENCE) != 0
    _wait_until(lambda: not any(process.is_running() for process in family), "a process lives on")
    files = list(tmp_path.glob("*.safetensors"))
    assert all(len(read_header(file).names) == 256 for file in files)
    assert len(files) < 54  # of 55: it was stopped early


def _answer_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_until(condition: object, failure: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.05)
