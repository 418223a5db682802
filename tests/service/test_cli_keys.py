"""``lagem key``, and what ``lagem serve`` does with keys."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from service import cli
from service.apikeys import ApiKey, parse_keys
from service.cli import main
from service.supervisor import Part

PLAIN = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LAGEM_")]:
        monkeypatch.delenv(name)


def lagem(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_key_is_shown_with_its_line() -> None:
    result = lagem("key", "studio")
    assert result.exit_code == 0, result.output
    _, key, _, line = [text.strip() for text in result.output.splitlines()]
    assert ApiKey.of(key, "studio").line == line


def test_a_key_needs_no_name() -> None:
    made = json.loads(lagem("key", "--json").output)
    assert parse_keys(made["line"]) == parse_keys(made["key"])
    assert made["name"].startswith("key-")


def test_a_wrong_name_is_refused() -> None:
    result = lagem("key", "My Studio")
    assert result.exit_code == 2
    assert "'My Studio' is no name of a key" in result.output


class ServedError(click.ClickException):
    """Stands for a server that would run."""


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    """The parts that a server would be made of."""
    seen: list[Part] = []

    def supervisor(parts: Sequence[Part], **_: Any) -> None:
        seen.extend(parts)
        raise ServedError("far enough")

    monkeypatch.setattr(cli, "Supervisor", supervisor)
    monkeypatch.setattr(cli, "redis_server", lambda *_: contextlib.nullcontext("unix:///x"))
    return seen


def test_other_machines_may_call_a_server_with_keys(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = (
        "serve",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--grpc-port",
        "0",
        "--data-dir",
        str(tmp_path),
    )
    refused = lagem(*arguments)
    assert refused.exit_code == 2
    assert "LAGEM_API_KEYS" in refused.output
    assert "--insecure" in refused.output
    assert parts == []
    monkeypatch.setenv("LAGEM_API_KEYS", PLAIN)
    assert "far enough" in lagem(*arguments).output
    assert len(parts) == 2


def test_only_hashes_reach_the_parts(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", PLAIN)
    lagem("serve", "--port", "0", "--grpc-port", "0", "--data-dir", str(tmp_path))
    assert len(parts) == 2
    for part in parts:
        assert part._environment["LAGEM_API_KEYS"] == ApiKey.of(PLAIN).line


def test_a_short_key_is_warned_of(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", f"{PLAIN},hunter2")
    result = lagem("serve", "--port", "0", "--grpc-port", "0", "--data-dir", str(tmp_path))
    assert len(parts) == 2
    assert f"can be guessed ({ApiKey.of('hunter2').name})" in result.output
    assert "hunter2" not in result.output


def test_a_wrong_key_stops_the_start_and_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", "me:hunter2")
    result = lagem("serve")
    assert result.exit_code == 2
    assert "LAGEM_API_KEYS: Value error, entry 1 of the API keys" in result.output
    assert "hunter2" not in result.output
