"""The supervisor with small parts of its own."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service import supervisor
from service.supervisor import Part, PartFailedError, Supervisor

OBEDIENT = "import time; time.sleep(60)"
STUBBORN = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(__file__ + ".up").touch()
time.sleep(60)
"""


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Callable[[str, str], Part]]:
    """Makes parts from source code."""
    parts: list[Part] = []

    def part(name: str, source: str) -> Part:
        (tmp_path / f"{name}.py").write_text(source)
        parts.append(Part(name, {"PYTHONPATH": str(tmp_path)}))
        return parts[-1]

    yield part
    for each in parts:
        each.signal(signal.SIGKILL)


def interrupt_self() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_signal_ends_all_parts(part: Callable[[str, str], Part]) -> None:
    parts = [part("first", OBEDIENT), part("second", OBEDIENT)]
    told: list[str] = []
    keeper = Supervisor(parts, on_poll=interrupt_self, on_stop=lambda: told.append("stop"))
    before = signal.getsignal(signal.SIGINT)
    assert keeper.run() is True
    assert told == ["stop"]
    assert all(each.exit_code() is not None for each in parts)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_signal_kills(part: Callable[[str, str], Part], tmp_path: Path) -> None:
    stubborn = part("stubborn", STUBBORN)

    def interrupt_when_up() -> None:
        if (tmp_path / "stubborn.py.up").exists():
            interrupt_self()

    again = threading.Timer(0.5, interrupt_self)
    keeper = Supervisor([stubborn], on_poll=interrupt_when_up, on_stop=again.start)
    assert keeper.run() is False
    assert stubborn.exit_code() == -signal.SIGKILL


def test_a_part_that_fails_at_start_ends_everything(part: Callable[[str, str], Part]) -> None:
    healthy, failing = part("healthy", OBEDIENT), part("failing", "import sys; sys.exit(3)")
    keeper = Supervisor([healthy, failing], on_poll=lambda: None, on_stop=lambda: None)
    with pytest.raises(PartFailedError, match="failing ended with exit code 3"):
        keeper.run()
    assert healthy.exit_code() is not None


def test_a_part_that_dies_later_is_replaced(
    part: Callable[[str, str], Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_RESTART_AFTER_S", 0.0)
    mortal = part("mortal", OBEDIENT)
    pids: list[int | None] = []

    def kill_once() -> None:
        keeper.settle()
        if mortal.pid not in pids:
            pids.append(mortal.pid)
            if len(pids) == 1:
                mortal.signal(signal.SIGKILL)
            else:
                interrupt_self()

    keeper = Supervisor([mortal], on_poll=kill_once, on_stop=lambda: None)
    assert keeper.run() is True
    assert len(pids) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux only")
def test_parts_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "orphan.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    script = (
        "from service.supervisor import Part, Supervisor\n"
        f"part = Part('orphan', {{'PYTHONPATH': {str(tmp_path)!r}}})\n"
        "Supervisor([part], on_poll=lambda: None, on_stop=lambda: None).run()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
    parent.kill()
    parent.wait()
    wait_until(lambda: not Path(f"/proc/{pid_file.read_text()}/exe").exists())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
