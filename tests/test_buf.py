"""buf's opinion of protos/, where buf is at hand: on the PATH, or in npm's cache for npx."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = "@bufbuild/buf@1"
TIMEOUT_S = 120


@pytest.fixture(scope="session")
def buf() -> list[str]:
    """The command; nothing is downloaded for a test."""
    if shutil.which("buf"):
        return ["buf"]
    if not shutil.which("npx"):
        pytest.skip("neither buf nor npx is installed")
    command = ["npx", "--offline", "--yes", PACKAGE]
    found = subprocess.run([*command, "--version"], capture_output=True, timeout=TIMEOUT_S)
    if found.returncode != 0:
        pytest.skip(f"buf is not in npm's cache: run npx {PACKAGE} --version once")
    return command


def run(buf: list[str], *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*buf, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def test_the_contract_passes_the_standard_lint(buf: list[str], repo_root: Path) -> None:
    done = run(buf, "lint", folder=repo_root / "protos")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_is_formatted(buf: list[str], repo_root: Path) -> None:
    done = run(buf, "format", "--exit-code", "--diff", folder=repo_root / "protos")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_breaks_nothing_that_was_released(buf: list[str], repo_root: Path) -> None:
    tags = ["git", "tag", "--list", "v*", "--merged", "--sort=-version:refname"]
    listed = subprocess.run(tags, cwd=repo_root, capture_output=True, text=True)
    if not listed.stdout.split():
        pytest.skip("nothing was released yet: there is no tag v*")
    released = f"../.git#tag={listed.stdout.split()[0]},subdir=protos"
    done = run(buf, "breaking", "--against", released, folder=repo_root / "protos")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_breaking_change_would_be_found(buf: list[str], repo_root: Path, tmp_path: Path) -> None:
    changed = tmp_path / "protos"
    shutil.copytree(repo_root / "protos", changed)
    file = changed / "lagem" / "v1" / "lagem.proto"
    file.write_text(file.read_text().replace("uint32 attempts = 11;", "uint32 tries = 11;"))
    against = str(repo_root / "protos")
    unchanged = run(buf, "breaking", "--against", against, folder=repo_root / "protos")
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    done = run(buf, "breaking", "--against", against, folder=changed)
    assert "attempts" in done.stdout
    assert done.returncode != 0
