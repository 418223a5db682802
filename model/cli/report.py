"""The report of an evaluation: what it can say of itself, and where it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import click

from model.cli.options import FOLDER, Decorator


def report_option(name: str) -> Decorator:
    """Where a report called `name` and its picture go."""
    return click.option(
        "-o", "--output", type=FOLDER, help=f"Folder for {name}.json, {name}.md and {name}.png."
    )


@runtime_checkable
class Report(Protocol):
    """What an evaluation found."""

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""

    def to_markdown(self) -> str:
        """Its tables."""


def deliver(
    report: Report, name: str, output: Path | None, draw: Callable[[Path], None], as_json: bool
) -> None:
    """Print a report; with an output folder, write it there, and its picture by `draw`."""
    text = json.dumps(report.to_dict(), indent=2)
    markdown = report.to_markdown()
    if output is not None:
        picture = output / f"{name}.png"
        output.mkdir(parents=True, exist_ok=True)
        (output / f"{name}.json").write_text(text + "\n")
        (output / f"{name}.md").write_text(f"{markdown}\n![{name}]({picture.name})\n")
        draw(picture)
    click.echo(text if as_json else markdown.rstrip())
