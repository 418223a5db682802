"""Redis servers that accept connections and do not answer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

from service.jobqueue.embedded import EmbeddedServer


@contextlib.contextmanager
def deaf_server() -> Iterator[str]:
    """URL of a listener that reads nothing and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def frozen(server: EmbeddedServer) -> Iterator[None]:
    """Nothing is answered while inside; what was sent meanwhile is answered afterwards."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
