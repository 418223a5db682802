"""What `lagem evaluate steps` reports: what fewer noise levels, or another solver, cost a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from model.diffusion.sampler import evaluations
from model.evaluation.generation_report import (
    COLUMNS,
    UNCONDITIONAL,
    GenerationProtocol,
    GenerationScores,
    SetResult,
    of_categories,
    score_cells,
)
from model.evaluation.tables import hundredfold, table

COMPARED = ("fpd", "mmd", "coverage", "nearest_neighbour", "recognised", "whole")
"""Scores that decide; KPD does not, because near 0 a share of it means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One way through the noise levels."""

    solver: str  # a `model.config.SolverName`
    steps: int  # noise levels
    guidance_level: int  # the finest level that is guided

    @property
    def evaluations(self) -> int:
        """Of the denoiser, on each level."""
        return evaluations(self.solver, self.steps)

    def passes(self, levels: int, guidance: float) -> int:
        """Of networks, over all levels: an evaluation with guidance takes two."""
        guided = 0 if guidance in (0, 1) else levels - self.guidance_level + 1
        return self.evaluations * (levels + guided)

    def __str__(self) -> str:
        lowest = f", guided down to level {self.guidance_level}" if self.guidance_level > 1 else ""
        return f"{self.solver} {self.steps}{lowest}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the samples of one run are worth, and how far they are from the finest run's.

    Attributes:
        run: how they were made.
        categories: their scores, those of samples without category (`UNCONDITIONAL`) among them.
        latent_rms: root mean square difference to the latents of the same seeds in the finest run,
            mean over shapes; one a level, coarse to fine. A level's own error and what it takes
            over from coarser ones.
        volume_iou: of the solids with those of the same seeds, mean over the shapes that have a
            surface in the finest run; None where none has.
    """

    run: Run
    categories: tuple[SetResult, ...]
    latent_rms: tuple[float, ...]
    volume_iou: float | None

    @property
    def counted(self) -> tuple[SetResult, ...]:
        """The sets that the means are over: of categories proper; without category if alone."""
        return of_categories(self.categories) or self.categories

    @property
    def mean(self) -> GenerationScores:
        """Means over the sets that count."""
        return GenerationScores.mean(result.scores for result in self.counted)

    @property
    def failed(self) -> int:
        """Samples without surface."""
        return sum(result.failed for result in self.categories)


@dataclass(frozen=True, slots=True)
class StepsReport:
    """Runs of one model on the same seeds, those with the fewest network passes first."""

    model: str
    weights_sha256: str
    extractor: str
    extractor_sha256: str
    data: str
    protocol: GenerationProtocol  # of the finest run
    tolerance: float
    runs: tuple[RunResult, ...]

    @property
    def finest(self) -> RunResult:
        """The run that the others are compared with."""
        asked = Run(self.protocol.solver, self.protocol.steps, self.protocol.guidance_level)
        return next(result for result in self.runs if result.run == asked)

    @property
    def chosen(self) -> RunResult:
        """Of the runs that are not worse than the finest one, that with the fewest passes."""
        return next(result for result in self.runs if not self.worse(result))

    def passes(self, result: RunResult) -> int:
        """Network passes that a shape of a run costs."""
        return result.run.passes(len(result.latent_rms), self.protocol.guidance)

    def worse(self, result: RunResult) -> tuple[str, ...]:
        """The scores by which a run is worse than the finest one, by more than is allowed.

        Allowed is the tolerance times the finest run's score, and one shape where a score is a
        share of shapes (`one_shape`). 1-NNA is worse the farther it is from 1/2. A score that the
        finest run has and this one lacks is worse.
        """
        here, there = result.mean, self.finest.mean
        return tuple(
            name
            for name in COMPARED
            if (truth := getattr(there, name)) is not None
            and not _loss(name, getattr(here, name), truth)
            <= max(self.tolerance * truth, self.one_shape(name)) + _ROUNDING
        )

    def one_shape(self, name: str) -> float:
        """What one shape that changes sides changes in the mean of a score; 0 if no such share."""
        sets = [row for row in self.finest.counted if getattr(row.scores, name) is not None]
        if not sets:
            return 0.0
        return {
            "coverage": max(1 / row.references for row in sets),
            "nearest_neighbour": max(0.5 / min(row.shapes, row.references) for row in sets),
            "recognised": max(1 / row.shapes for row in sets),
            "whole": max(1 / row.shapes for row in sets),
        }.get(name, 0.0) / len(sets)

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able; figures in their own units."""
        runs = [
            asdict(result)
            | {
                "evaluations": result.run.evaluations,
                "passes": self.passes(result),
                "mean": asdict(result.mean),
                "worse": self.worse(result),
            }
            for result in self.runs
        ]
        one_shape = {name: self.one_shape(name) for name in COMPARED}
        chosen = asdict(self.chosen.run)
        return asdict(self) | {"runs": runs, "one_shape": one_shape, "chosen": chosen}

    def to_markdown(self) -> str:
        """A table of the runs, which of them is chosen, and the protocol."""
        levels = len(self.finest.latent_rms)
        columns = [
            "solver",
            "steps",
            "guided to",
            "evaluations",
            "passes",
            *(COLUMNS[name][0] for name in COMPARED),
            "failed",
            *(f"RMS {level}" for level in range(levels, 0, -1)),
            "IoU",
            "worse in",
        ]
        rows = [self._cells(result) for result in self.runs]
        verdict = (
            f"**Chosen: {self.chosen.run}**, the fewest passes ({self.passes(self.chosen)}, "
            f"{self.passes(self.finest)} for {self.finest.run}) of which no score is worse."
        )
        return "\n".join(
            [self._title(), "", *table(columns, rows), "", verdict, "", self._protocol(), ""]
        )

    def _title(self) -> str:
        return (
            f"Sampling cost of {self.model} ({self.weights_sha256[:12]}) against {self.data}; "
            f"point features: {self.extractor} ({self.extractor_sha256[:12]}). Scores as of "
            "`lagem evaluate generation`, means over the categories."
        )

    def _cells(self, result: RunResult) -> list[str]:
        return [
            result.run.solver,
            str(result.run.steps),
            str(result.run.guidance_level),
            str(result.run.evaluations),
            str(self.passes(result)),
            *score_cells(result.mean, COMPARED),
            str(result.failed),
            *(hundredfold(rms) for rms in result.latent_rms),
            hundredfold(result.volume_iou),
            ", ".join(_bare(name) for name in self.worse(result)) or "-",
        ]

    def _protocol(self) -> str:
        shares = ", ".join(
            f"{_bare(name)} {100 * self.one_shape(name):.2f}"
            for name in COMPARED
            if self.one_shape(name)
        )
        return _PROTOCOL.format(
            **asdict(self.protocol),
            finest=self.finest.run,
            sets=", ".join(
                f"{row.category} {row.shapes} against {row.references}"
                for row in self.finest.categories
            ),
            tolerance_percent=100 * self.tolerance,
            shares=shares,
            unconditional=UNCONDITIONAL,
        )


_ROUNDING = 1e-9

_PROTOCOL = """\
- Shapes: {sets}; the same seeds, from {seed} on, in every run; guidance {guidance:g}, surfaces at
  resolution {resolution}.
- {unconditional}: without category, against the references of all categories; beside categories it
  counts in failed, RMS and IoU alone, not in the means of scores.
- evaluations: of the denoiser on each level. passes: of networks, over all levels of a shape, two
  an evaluation on levels that are guided. guided to: the finest such level.
- RMS: root mean square difference to the latents of {finest} of the same seeds, by level, times 100
  (latents have variance 1). IoU: of the solids, times 100.
- worse: by more than {tolerance_percent:g} % of the score of {finest}, and by more than one shape
  in all where a score is a share of shapes ({shares} points). 1-NNA is worse the farther it is from
  50. Better is never worse."""


def _bare(name: str) -> str:
    """The heading of a score without its unit."""
    return COLUMNS[name][0].removesuffix(" %").removesuffix(" x 100")


def _loss(name: str, here: float | None, there: float) -> float:
    """By how much a score is worse than another."""
    if here is None:
        return float("inf")
    if name == "nearest_neighbour":
        return abs(here - 0.5) - abs(there - 0.5)
    return here - there if name in ("fpd", "mmd") else there - here
