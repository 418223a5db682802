"""Markdown tables of figures, all times 100 as in the paper's tables."""

from __future__ import annotations

from collections.abc import Sequence


def hundredfold(figure: float | None) -> str:
    """A figure times 100 with two decimals, "-" where it is unknown."""
    return "-" if figure is None else f"{100 * figure:.2f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; every column but the first is aligned to the right."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    head = [f"| {' | '.join(columns)} |", f"|{'|'.join(rule)}|"]
    return head + [f"| {' | '.join(row)} |" for row in rows]
