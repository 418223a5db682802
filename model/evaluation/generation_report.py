"""What `lagem evaluate generation` reports: scores by category, and the protocol they come from."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from model.evaluation.metrics import WHOLE_SHARE

UNCONDITIONAL = "none"  # the category of samples without one, compared with all references


@dataclass(frozen=True, slots=True)
class GenerationProtocol:
    """How samples are drawn and compared."""

    seed: int  # of each category's first sample, the next one is one more; of drawn points too
    steps: int  # noise levels of the solver
    guidance: float  # weight of the category
    resolution: int  # cells per side of the extraction grid
    solver: str  # a `model.config.SolverName`
    guidance_level: int  # the finest level that is guided
    samples: int | None = None  # of each category; None: as many as references
    references: int | None = None  # of each category at most; None: all
    points: int = 2048  # on each surface


@dataclass(frozen=True, slots=True)
class GenerationScores:
    """How near a set of samples comes to a set of references, or the mean of several such scores.

    Figures are as `model.evaluation.distributions` gives them, not in the units of the tables;
    None where one is not defined.

    Attributes:
        fpd: `frechet_distance` of point features; of fewer than two shapes not defined.
        kpd: `kernel_distance` of point features; likewise.
        mmd: `minimum_matching_distance` of Chamfer distances; without any surface not defined.
        coverage: `coverage`.
        nearest_neighbour: `nearest_neighbour_accuracy`.
        recognised: share of the samples that the extractor's classifier takes for their category;
            not defined for another extractor than ours, or without category.
        whole: share of the samples in one piece (`WHOLE_SHARE`); not defined for a baseline.
    """

    fpd: float | None
    kpd: float | None
    mmd: float | None
    coverage: float | None
    nearest_neighbour: float | None
    recognised: float | None
    whole: float | None

    @staticmethod
    def mean(scores: Iterable[GenerationScores]) -> GenerationScores:
        """Means over categories; of each figure over those that have it."""
        rows = list(scores)
        return GenerationScores(
            **{
                field.name: _mean([getattr(row, field.name) for row in rows])
                for field in fields(GenerationScores)
            }
        )


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set of shapes against the references of its category."""

    category: str  # or UNCONDITIONAL
    shapes: int  # compared, those without surface included
    failed: int  # of them, shapes without surface
    references: int
    scores: GenerationScores


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """Scores of a model's samples, and of other shapes in their place (the baseline)."""

    model: str
    weights_sha256: str
    extractor: str
    extractor_sha256: str
    data: str
    baseline_data: str | None
    protocol: GenerationProtocol
    samples: tuple[SetResult, ...]
    baseline: tuple[SetResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything and the means over the categories, JSON-able; figures in their own units."""
        means = {"samples": _category_mean(self.samples), "baseline": _category_mean(self.baseline)}
        return asdict(self) | {"mean": {k: asdict(v) if v else None for k, v in means.items()}}

    def to_markdown(self) -> str:
        """A table of the samples' scores, one of the baseline's, and the protocol."""
        title = (
            f"Generation by {self.model} ({self.weights_sha256[:12]}) against {self.data}; point "
            f"features: {self.extractor} ({self.extractor_sha256[:12]}). FPD and KPD compare only "
            "with those of the same features and the same numbers of shapes."
        )
        lines = [title, "", *_table(self.samples)]
        if self.baseline:
            instead = f"The same measures of shapes of {self.baseline_data} in the samples' place:"
            lines += ["", instead, "", *_table(self.baseline)]
        protocol = _PROTOCOL.format(
            **asdict(self.protocol), unconditional=UNCONDITIONAL, whole_percent=100 * WHOLE_SHARE
        )
        return "\n".join([*lines, "", protocol])


_PROTOCOL = """\
- Samples: seeds {seed} on in each category, {steps} steps of {solver}, guidance {guidance:g}
  down to level {guidance_level}, surfaces extracted at resolution {resolution}; not chosen, not
  normalised again.
- Every shape: {points} points uniform on its surface, in the canonical frame (unit sphere), rounded
  to float16.
- FPD: squared Frechet distance of the Gaussians of the features (covariances with n - 1); biased
  upwards in small sets. KPD: unbiased squared MMD with the kernel (x.y / d + 1)^3 over all pairs;
  may be negative.
- MMD, COV, 1-NNA: on Chamfer distances (mean of the two directed mean distances, not squared).
  1-NNA: mean of the leave-one-out accuracies on the shapes and on the references, ties count one
  half; 50 is ideal. COV cannot pass 100 shapes / references.
- recognised: taken for its category by the classifier whose features these are.
- one piece: at least {whole_percent:g} % of the surface in its largest connected part.
- failed: samples without surface. FPD, KPD and MMD leave them out; in COV they cover nothing, in
  1-NNA they are told apart; they are neither recognised nor in one piece.
- {unconditional}: without category, against the references of all categories; not in the mean.
"""

COLUMNS = {  # heading, and the unit: what a figure is multiplied by
    "fpd": ("FPD", 1),
    "kpd": ("KPD x 1000", 1000),
    "mmd": ("MMD x 100", 100),
    "coverage": ("COV %", 100),
    "nearest_neighbour": ("1-NNA %", 100),
    "recognised": ("recognised %", 100),
    "whole": ("one piece %", 100),
}


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return statistics.fmean(known) if known else None


def of_categories(results: Sequence[SetResult]) -> tuple[SetResult, ...]:
    """The sets that means are over: those of categories proper."""
    return tuple(result for result in results if result.category != UNCONDITIONAL)


def _category_mean(results: Sequence[SetResult]) -> GenerationScores | None:
    """The mean over the categories proper; None where there is none."""
    rows = [result.scores for result in of_categories(results)]
    return GenerationScores.mean(rows) if rows else None


def _table(results: Sequence[SetResult]) -> list[str]:
    headings = [
        "category",
        "shapes",
        "failed",
        "references",
        *(name for name, _ in COLUMNS.values()),
    ]
    lines = [f"| {' | '.join(headings)} |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    for result in results:
        counts = [result.category, str(result.shapes), str(result.failed), str(result.references)]
        lines.append(f"| {' | '.join(counts + score_cells(result.scores))} |")
    mean = _category_mean(results)
    if mean is not None:
        lines.append(f"| {' | '.join(['mean', '', '', '', *score_cells(mean)])} |")
    return lines


def score_cells(scores: GenerationScores, names: Sequence[str] = tuple(COLUMNS)) -> list[str]:
    """The figures of some columns, in the columns' units."""
    figures = [(getattr(scores, name), COLUMNS[name][1]) for name in names]
    return ["-" if figure is None else f"{unit * figure:.2f}" for figure, unit in figures]
