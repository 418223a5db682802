"""Ports for servers that tests start as processes."""

import random
import socket


def free_port() -> int:
    """A port that nobody listens on, and that no client is given before the server has it.

    It is below those that the kernel hands out to clients (from 32768 on Linux).
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
