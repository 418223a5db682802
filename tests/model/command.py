"""Running the offline commands, and reading what they wrote."""

from __future__ import annotations

from pathlib import Path

import trimesh
from click.testing import CliRunner, Result

from model.cli import main
from model.geometry.mesh import load_mesh
from model.latentfile import LatentFile

SMALL_BATCH = ("--shapes", 2, "--surface-points", 64, "--volume-queries", 8, "--near-queries", 8)
"""Options of a training step that takes no time."""


def lagem(*arguments: object) -> Result:
    """Run a command; an exception that is not answered in one line fails the test."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> str:
    result = lagem(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refuse(*arguments: object) -> str:
    """The one line on stderr of a command that exits with 2."""
    result = lagem(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    *usage, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not usage or usage[0].startswith("Usage: ")
    return line


def latents(path: Path) -> LatentFile:
    return LatentFile.from_bytes(path.read_bytes())


def mesh(path: Path) -> trimesh.Trimesh:
    return load_mesh(path.read_bytes(), hint=path.name)
