from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from model.training.stopping import noted_signals

PROGRAM = """
import time
from model.training.stopping import noted_signals
with noted_signals() as request:
    print("ready", flush=True)
    while not request.number:
        time.sleep(0.01)
    print("noted", flush=True)
    time.sleep(60)
"""


def test_the_second_signal_kills_and_an_echo_of_the_first_does_not(repo_root: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=repo_root, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    assert program.stdout.readline() == "noted\n"
    program.send_signal(signal.SIGTERM)
    time.sleep(1.2)
    assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == -signal.SIGTERM
    program.stdout.close()


def test_outside_the_main_thread_nothing_is_handled() -> None:
    numbers = []

    def run() -> None:
        with noted_signals() as request:
            numbers.append(request.number)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert numbers == [0]
