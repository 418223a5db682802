"""The goals on a GPU: decoding and sampling at the paper's size, batches, and what these move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

import numpy as np
import torch

from benchmarks.comparison import Bench, Table, seconds, times
from benchmarks.subjects import generated, paper_size
from model.config import PRESETS, ModelConfig
from model.device import steady_products
from model.diffusion import cascade as cascades
from model.diffusion.cascade import Cascade
from model.geometry.surface import extract_surface
from model.geometry.tracking import track
from model.grid import COARSE, Samples, track_surface
from model.latents import Latents

COUNTS = (1, 2, 4, 8, 16)


def tables(bench: Bench) -> Iterator[Table]:
    if bench.device.type != "cuda":
        yield Table("GPU", ["what", "measured"], [["all", "not measured: no GPU"]])
        return
    yield decoding(bench)
    cases = {"starter": starter(bench), "paper's size": Case(bench, PRESETS["lagem-objaverse"])}
    yield sampling(bench, cases)
    yield batches(bench, cases)
    yield agreement(cases)


class Case:
    """A cascade with random weights, and samples of it by its model's defaults."""

    def __init__(self, bench: Bench, config: ModelConfig, cascade: Cascade | None = None) -> None:
        assert config.cascade is not None
        self.bench, self.defaults = bench, config.sampling
        if cascade is None:
            torch.manual_seed(0)
            with bench.device:
                cascade = Cascade(config.cascade, config.autoencoder)
            for parameter in cascade.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.5 / parameter.shape[-1] ** 0.5)
        self.cascade = cascade

    def sample(self, seeds: range, *, recorded: bool = True, steady: bool = True) -> Latents:
        """Latents; launched one by one where not recorded."""
        with ExitStack() as stack:
            stack.enter_context(torch.autocast("cuda", torch.bfloat16))
            if steady:
                stack.enter_context(steady_products())
            if not recorded:
                stack.enter_context(mock.patch.object(cascades, "Recorded", lambda D: D))
            return self.cascade.sample(
                seeds,
                torch.zeros(len(seeds), dtype=torch.int64, device=self.bench.device),
                steps=self.bench.pick(self.defaults.steps, 3),
                guidance=self.defaults.guidance,
                guidance_level=self.defaults.guidance_level,
                solver=self.defaults.solver,
                on_step=lambda *_: None,
            )


def starter(bench: Bench) -> Case:
    return Case(bench, PRESETS["starter"], bench.pipeline.cascade)


def decoding(bench: Bench) -> Table:
    """Latents to mesh at the paper's size, whose random weights have no surface of their own.

    The samples that a chair's tracking asks are asked of the large field, and the chair's answer.
    """
    size, resolution = paper_size(bench), bench.pick(256, 32)

    def decode() -> tuple[torch.Tensor, ...]:
        with torch.autocast("cuda", torch.bfloat16), steady_products():
            return size.autoencoder.decode_features(size.latents)

    chair = generated(bench, "chair", 1)
    features = tuple(level.float() for level in decode())
    field = bench.pipeline.autoencoder.decode(chair)
    large = size.autoencoder.fold(features)
    tracked = track_surface(field, resolution, lambda _: None)
    answers: dict[bytes, np.ndarray] = {}
    asked = Samples(field, resolution, lambda _: None)

    def remember(indices: np.ndarray) -> np.ndarray:
        return answers.setdefault(indices.tobytes(), asked(indices))

    blocks = track(remember, resolution, coarse=COARSE)
    ask = Samples(large, resolution, lambda _: None)

    def both(indices: np.ndarray) -> np.ndarray:
        ask(indices)
        return answers[indices.tobytes()]

    kept = list(answers)
    spent = bench.in_turn(
        {
            "features": decode,
            "folding": lambda: size.autoencoder.fold(features),
            "tracking": lambda: track(both, resolution, coarse=COARSE),
            "  of it on the CPU": lambda: track(
                lambda indices: answers[indices.tobytes()], resolution, coarse=COARSE
            ),
            "meshing, on the CPU": lambda: extract_surface(
                blocks, lower=(asked.lower,) * 3, spacing=asked.spacing
            ),
            "starter, latents to mesh": lambda: bench.pipeline.meshes(chair, resolution=resolution),
        }
    )
    whole = sum(spent[name] for name in ("features", "folding", "tracking", "meshing, on the CPU"))
    rows = [[name, seconds(cost)] for name, cost in spent.items()]
    rows.insert(5, ["all, latents to mesh", seconds(whole)])
    return Table(
        f"GPU: decoding at the paper's size, {resolution}^3 cells",
        ["stage", "time"],
        rows,
        f"{tracked.queries:,} samples in {len(kept)} calls.",
    )


def sampling(bench: Bench, cases: dict[str, Case]) -> Table:
    """One sample: launches one by one against a recorded graph."""
    rows = []
    for name, case in cases.items():
        calls: dict[str, Callable[[], object]] = {
            "plain": lambda case=case: case.sample(range(1), recorded=False),
            "recorded": lambda case=case: case.sample(range(1)),
        }
        spent = bench.in_turn(calls, repeats=3)
        what = f"{name}, {case.defaults.steps} steps of {case.defaults.solver}"
        ratio = times(spent["plain"] / spent["recorded"])
        rows.append([what, seconds(spent["plain"]), seconds(spent["recorded"]), ratio])
    head = ["one sample", "launched one by one", "recorded", "ratio"]
    return Table("GPU: a sample", head, rows)


def batches(bench: Bench, cases: dict[str, Case]) -> Table:
    """Seconds of a batch, and samples a second against a batch of one."""
    rows = []
    for name, case in cases.items():
        for recorded in (False, True):
            calls: dict[str, Callable[[], object]] = {
                str(count): lambda case=case, count=count, recorded=recorded: case.sample(
                    range(count), recorded=recorded
                )
                for count in COUNTS
            }
            spent = bench.in_turn(calls, repeats=1)
            cells = [
                f"{seconds(spent[str(count)])} ({spent['1'] * count / spent[str(count)]:.2f}x)"
                for count in COUNTS
            ]
            rows.append([f"{name}, {'recorded' if recorded else 'one by one'}", *cells])
    head = ["samples of one batch:", *map(str, COUNTS)]
    return Table(
        "GPU: a batch of samples", head, rows, "In brackets: throughput, of one at a time."
    )


def agreement(cases: dict[str, Case]) -> Table:
    """How far latents of one sample move when it shares a batch of 16."""
    rows = []
    for name, case in cases.items():
        row = [name]
        for steady in (False, True):
            full = case.sample(range(16), steady=steady)
            alone = case.sample(range(1), steady=steady)
            pairs = zip(full.levels, alone.levels, strict=True)
            row.append(f"{max((a[:1] - b).abs().max().item() for a, b in pairs):.1e}")
        rows.append(row)
    head = ["greatest difference", "torch's own products", "steady products"]
    return Table("GPU: latents alone and in a batch of 16", head, rows)
