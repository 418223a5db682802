"""`lagem bench`: the paper's cost table and its regulariser ablation, measured here."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path

import click

from model.cli.command import OfflineGroup
from model.cli.options import (
    EXISTING_FOLDER,
    FOLDER,
    device_option,
    json_option,
    threads_option,
    use_threads,
)

_CONTESTS = ("512", "2k", "512-reduced", "2k-reduced")  # of model.training.costs, slow to import


@click.group(cls=OfflineGroup)
def bench() -> None:
    """Measure what the paper's tables measure, side by side in one run."""


@bench.command()
@click.option(
    "--size",
    type=click.Choice(_CONTESTS),
    default="512-reduced",
    show_default=True,
    help="Latent vectors; the reduced sizes have 128 channels and fit a CPU.",
)
@click.option("--batch", type=click.IntRange(1), help="Shapes.  [default: 64, 4, 4, 1 by size]")
@click.option("--steps", type=click.IntRange(1), default=3, show_default=True, help="Timed, each.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="A, B, A, B.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of forward pass and loss.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="On a CPU.")
@device_option
@json_option
def table3(
    size: str,
    batch: int | None,
    steps: int,
    rounds: int,
    precision: str,
    threads: int,
    device: str,
    as_json: bool,
) -> None:
    """Time and memory of one training step, LaGeM against VecSet (Table 3).

    Each model trains in processes of its own, in turn; figures are medians over the rounds.
    """
    import torch

    from model.device import resolve_device
    from model.training import costs

    contest = costs.contests()[size]
    on = resolve_device(device)
    setting = costs.StepSetting(
        batch=batch or contest.batch,
        device=str(on),
        steps=steps,
        precision=precision,
        threads=threads,
    )
    found = costs.compare(contest, setting, rounds)
    if as_json:
        measured = {name: cost and asdict(cost) for name, cost in found.items()}
        click.echo(json.dumps({"size": size, **asdict(setting), "costs": measured}, indent=2))
        return
    machine = torch.cuda.get_device_name() if on.type == "cuda" else f"CPU, {threads} thread(s)"
    heading = f"{size}, batch {setting.batch}, {precision}, {machine}, torch {torch.__version__}"
    click.echo(costs.to_markdown(contest, found, heading).rstrip())


@bench.command()
@click.option(
    "--data", type=EXISTING_FOLDER, multiple=True, required=True, help="Folder of shards."
)
@click.option("--run", type=FOLDER, required=True, help="Folder of both runs.")
@click.option(
    "--size",
    type=click.Choice(["paper", "reduced"]),
    default="reduced",
    show_default=True,
    help="VecSet as the paper's, or 128 channels, 64 x 8, 6 layers.",
)
@click.option("--steps", type=click.IntRange(5), required=True, help="Of each run.")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Shapes.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Peak.")
@threads_option
@device_option
@json_option
def table7(
    data: tuple[Path, ...],
    run: Path,
    size: str,
    steps: int,
    batch: int,
    learning_rate: float,
    threads: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Train with the KL and with the normalised bottleneck, and compare losses (Table 7)."""
    import torch

    from model.cli.runfolder import contents
    from model.config import CATEGORIES
    from model.data.datasets import BatchConfig, load_shapes
    from model.device import resolve_device
    from model.training.ablation import SIZES, compare_bottlenecks, to_markdown
    from model.training.loop import TrainingConfig

    use_threads(threads)
    on = resolve_device(device)
    losses = compare_bottlenecks(
        SIZES[size],
        load_shapes(data, on, CATEGORIES),
        run,
        TrainingConfig(
            steps=steps,
            learning_rate=learning_rate,
            warmup=max(1, steps // 20),
            log_every=max(1, steps // 50),
        ),
        BatchConfig(shapes=batch),
        contents(data),
    )
    if as_json:
        click.echo(json.dumps({"size": size, "steps": steps, "batch": batch, "losses": losses}))
        return
    machine = torch.cuda.get_device_name() if on.type == "cuda" else platform.machine()
    heading = f"{size}, {steps} steps of {batch} shapes, {machine}, torch {torch.__version__}"
    click.echo(to_markdown(losses, heading).rstrip())
