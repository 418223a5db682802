"""What the machine can do, and which part of it the field's kernels reach."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from benchmarks.comparison import Bench, Table, seconds
from benchmarks.field import samples
from benchmarks.machine import copy_peak, exp_peak, floating_operations, matmul_peak
from benchmarks.subjects import Size, own_size, paper_size
from model.autoencoder import AutoEncoder
from model.config import PRESETS
from model.diffusion.cascade import Cascade
from model.diffusion.denoiser import Denoiser
from model.diffusion.sampler import evaluations
from model.field import OccupancyField
from model.grid import HALF_EXTENT
from model.gridfield import GridField
from model.latents import Latents

_PRODUCTS = 3  # that the GPU's kernel makes of one, of TF32 (`model.fieldkernel`)


def tables(bench: Bench) -> Iterator[Table]:
    yield rates(bench)
    yield work(bench)
    if bench.device.type == "cpu":
        yield grid_kernel(bench)
    yield gpu_kernel(bench)


def rates(bench: Bench) -> Table:
    rows = [
        ["matrix product, float32", f"{matmul_peak(bench, torch.float32) / 1e12:.3f} TFLOP/s"],
        ["matrix product, bfloat16", f"{matmul_peak(bench, torch.bfloat16) / 1e12:.3f} TFLOP/s"],
        ["exponentials, float32, torch", f"{exp_peak(bench) / 1e9:.2f} billion a second"],
        ["copy, read and written", f"{copy_peak(bench) / 1e9:.1f} GB/s"],
    ]
    return Table("Peak: the machine", ["rate", "measured"], rows)


def work(bench: Bench) -> Table:
    """FLOP of the paper's model, counted on torch's device without memory, and their floor here."""
    config = PRESETS["lagem-objaverse"]
    assert config.cascade is not None
    with torch.device("meta"):
        autoencoder = AutoEncoder(config.autoencoder)
        cascade = Cascade(config.cascade, config.autoencoder)
        sets = [torch.empty(1, level.tokens, level.channels) for level in cascade.levels]
        nothing, sigma = torch.zeros(1, dtype=torch.int64), torch.empty(1)
        calls = {"latents to features": lambda: autoencoder.decode_features(Latents(tuple(sets)))}
        for index, network in enumerate(cascade.denoisers):
            assert isinstance(network, Denoiser)
            given = network.condition(nothing, sets[:index])
            calls[f"denoising once, level {len(sets) - index}"] = partial(
                network, sets[index], sigma, given
            )
        counted = {name: floating_operations(call) for name, call in calls.items()}
    steps, solver = config.sampling.steps, config.sampling.solver
    once = sum(counted.values()) - counted["latents to features"]
    counted[f"sampling: {steps} steps of {solver}"] = evaluations(solver, steps) * once
    best = matmul_peak(bench, torch.bfloat16)
    rows = [[name, f"{flop / 1e9:,.0f}", seconds(flop / best)] for name, flop in counted.items()]
    head = ["what", "GFLOP", "at the bfloat16 peak above"]
    return Table("Peak: work of one shape at the paper's size", head, rows)


def exponentials(field: OccupancyField) -> int:
    """Of one query: one a head and token."""
    return sum(value.shape[1] * value.shape[2] for value in field.values)


def grid_kernel(bench: Bench) -> Table:
    """The compiled kernel of grids, which is additions, multiplications and exponentials."""
    best = exp_peak(bench)
    rows = []
    for size, count in ((own_size(bench), 65_536), (paper_size(bench), 8192)):
        field = size.autoencoder.fold(size.features)
        at = GridField(field, -HALF_EXTENT, 2 * HALF_EXTENT / 128, 129)
        indices, _ = samples(bench, bench.pick(count, 256))
        call = {"": lambda at=at, indices=indices: at(indices)}
        spent = bench.in_turn(call)[""]
        rate = exponentials(field) * len(indices) / spent
        each, asked = f"{exponentials(field):,}", f"{len(indices) / spent:,.0f}"
        rows.append([size.name, each, asked, f"{rate / 1e9:.2f} billion", f"{rate / best:.2f}x"])
    head = ["size", "exponentials a query", "queries a second", "exponentials a second"]
    return Table("Peak: the kernel of grids on a CPU", [*head, "of torch's exp"], rows)


def gpu_kernel(bench: Bench) -> Table:
    """The Triton kernel: its part of the peaks on a GPU, its values alone by the interpreter."""
    title = "Peak: the kernel of the folded field on a GPU"
    if importlib.util.find_spec("triton") is None:
        return Table(title, ["size", "measured"], [["all", "not measured: no Triton"]])
    if bench.device.type == "cpu":
        return _interpreted(bench, title)
    with tf32_products():
        products = matmul_peak(bench, torch.float32)
    exps = exp_peak(bench)
    head = ["size", "queries", "time", "queries a second", "FLOP of peak", "exponentials of peak"]
    rows = [
        _fractions(bench, size, bench.pick(2**18, 256), products, exps)
        for size in (own_size(bench), paper_size(bench))
    ]
    note = (
        f"FLOP: {_PRODUCTS} products of width 64 a score, against a square product in "
        "TF32, in which the kernel computes; exponentials against torch's."
    )
    return Table(title, head, rows, note)


@contextmanager
def tf32_products() -> Iterator[None]:
    """Float32 products in TF32 within the block, where the device has it."""
    former = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(former)


def _fractions(bench: Bench, size: Size, count: int, products: float, exps: float) -> list[str]:
    field = size.autoencoder.fold(size.features)
    points = 2 * torch.rand(1, count, 3, device=bench.device) - 1
    spent = bench.in_turn({"": lambda: field(points)})[""]
    scores = exponentials(field) * count
    work = _PRODUCTS * 2 * 64 * scores
    return [
        size.name,
        f"{count:,}",
        seconds(spent),
        f"{count / spent:,.0f}",
        f"{100 * work / spent / products:.0f} %",
        f"{100 * scores / spent / exps:.0f} %",
    ]


def _interpreted(bench: Bench, title: str) -> Table:
    from model import fieldkernel  # noqa: PLC0415 - Triton is not everywhere

    size = own_size(bench)
    field = size.autoencoder.fold(size.features)
    points = torch.linspace(-1, 1, 3 * 32).reshape(1, 32, 3)
    vectors = field._query_vectors(points)  # noqa: SLF001 - what the kernel is given
    logits = field.bias.unsqueeze(-1) + fieldkernel.attended(vectors, field.keys, field.values)
    apart = (logits - field(points)).abs().max() / field(points).std()
    row = [size.name, "not measured: no GPU", f"{apart.item():.1e}"]
    return Table(
        title, ["size", "speed", "interpreted, from the field in torch, of its std"], [row]
    )
