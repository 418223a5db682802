"""What one training step costs: LaGeM against VecSet at the same latent count (Table 3)."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.autoencoder import AutoEncoder
from model.config import AutoEncoderConfig, LevelConfig
from model.training.autoencoder import query

_WARM_UP = 1  # steps a process makes before it is timed: the optimiser's state is made there
_STATUS = Path("/proc/self/status")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of one unit of ru_maxrss


@dataclass(frozen=True, slots=True)
class StepSetting:
    """How a step is made; the paper's Table 3 names the batch size alone."""

    batch: int  # shapes
    device: str  # cpu, cuda
    steps: int = 3  # timed steps of each process
    points: int = 8192  # surface points the encoder sees
    queries: int = 2048  # half volume, half near-surface: one forward and backward for all
    precision: str = "float32"  # or bfloat16: autocast
    threads: int = 1  # on a CPU


@dataclass(frozen=True, slots=True)
class StepCost:
    """The cost of one training step.

    `seconds` is CPU time of the process on a CPU and wall time on a GPU. `peak_bytes` is what the
    process, or the GPU's allocator, held at most beyond what it held before the model was made.
    """

    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Contest:
    """One block of Table 3: both models at one size, and the paper's own ratios for it.

    A ratio is LaGeM's cost over VecSet's; None where the paper has none.
    """

    name: str
    vecset: AutoEncoderConfig
    lagem: AutoEncoderConfig
    batch: int
    paper_time: float | None = None
    paper_memory: float | None = None


def contests() -> dict[str, Contest]:
    """The paper's two sizes, and both with fewer channels, as a CPU can hold them.

    Tokens and layers decide the ratios; they are the paper's everywhere.
    """
    small = ((512, 8, 24), (32, 32, 8), (128, 16, 8), (512, 8, 8))
    large = ((2048, 64, 24), (128, 64, 8), (512, 32, 8), (2048, 16, 8))
    return {
        "512": _contest("512", 512, small, 64, 0.87, 0.66),
        "2k": _contest("2k", 1024, large, 4, 0.70, 0.58),
        "512-reduced": _contest("512-reduced", 128, small, 4),
        "2k-reduced": _contest("2k-reduced", 128, large, 1),
    }


def _contest(
    name: str,
    channels: int,
    sizes: tuple[tuple[int, int, int], ...],
    batch: int,
    paper_time: float | None = None,
    paper_memory: float | None = None,
) -> Contest:
    vecset, *lagem = (LevelConfig(*size) for size in sizes)
    return Contest(
        name,
        AutoEncoderConfig(channels, (vecset,)),
        AutoEncoderConfig(channels, tuple(lagem)),
        batch,
        paper_time,
        paper_memory,
    )


def compare(contest: Contest, setting: StepSetting, rounds: int) -> dict[str, StepCost | None]:
    """Costs of "VecSet" and "LaGeM", each the median of `rounds` processes made in turn.

    None stands for a model that did not fit into the device's memory (Table 3's OOM).
    """
    models = {"VecSet": contest.vecset, "LaGeM": contest.lagem}
    costs: dict[str, list[StepCost]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, config in models.items():
            with contextlib.suppress(torch.OutOfMemoryError):
                costs[name].append(_in_own_process(config, setting))
    return {name: _median(found) if len(found) == rounds else None for name, found in costs.items()}


def measure_step(config: AutoEncoderConfig, setting: StepSetting) -> StepCost:
    """Cost of a step on random shapes, in this process; peak memory counts from its start."""
    torch.set_num_threads(setting.threads)
    device = torch.device(setting.device)
    before = _peak_bytes(device)
    torch.manual_seed(0)
    model = AutoEncoder(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    seconds = []
    for step in range(_WARM_UP + setting.steps):
        started = _clock(device)
        _train_step(model, optimizer, setting, device)
        if step >= _WARM_UP:
            seconds.append(_clock(device) - started)
    return StepCost(statistics.median(seconds), _peak_bytes(device) - before)


def _train_step(
    model: AutoEncoder, optimizer: torch.optim.Optimizer, setting: StepSetting, device: torch.device
) -> None:
    points = torch.randn(setting.batch, setting.points, 3, device=device)
    points = nn.functional.normalize(points, dim=-1)
    queries = 2 * torch.rand(setting.batch, setting.queries, 3, device=device) - 1
    labels = (queries.norm(dim=-1) < 1).float()
    reduced = setting.precision == "bfloat16"
    with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
        logits = query(model, queries, model.decode_features(model.encode(points)))
    nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _in_own_process(config: AutoEncoderConfig, setting: StepSetting) -> StepCost:
    """A fresh process, so that no memory of another model is counted."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure_step, config, setting).result()


def _clock(device: torch.device) -> float:
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():  # ru_maxrss also counts what the parent held when it started this process
        [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def _median(costs: list[StepCost]) -> StepCost:
    return StepCost(
        statistics.median(cost.seconds for cost in costs),
        int(statistics.median(cost.peak_bytes for cost in costs)),
    )


def to_markdown(contest: Contest, costs: dict[str, StepCost | None], heading: str) -> str:
    """The block of Table 3 that was measured, with ratios to VecSet and the paper's."""
    lines = [heading, "", "| | VecSet | LaGeM | ratio | paper |", "|---|---:|---:|---:|---:|"]
    rows: list[tuple[str, str, float, float | None]] = [
        ("seconds a step", "seconds", 1.0, contest.paper_time),
        ("peak memory, MB", "peak_bytes", 1e6, contest.paper_memory),
    ]
    vecset, lagem = costs["VecSet"], costs["LaGeM"]
    for title, field, unit, paper in rows:
        values: list[Any] = [cost and getattr(cost, field) / unit for cost in (vecset, lagem)]
        cells = ["OOM" if value is None else f"{value:,.3g}" for value in values]
        ratio = "-" if None in values else f"**{values[1] / values[0]:.2f}x**"
        lines.append(f"| {title} | {' | '.join(cells)} | {ratio} | {_times(paper)} |")
    return "\n".join(lines) + "\n"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"
