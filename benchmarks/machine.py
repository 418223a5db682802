"""The machine that measured: its name, the run's heading, and the rates that it can reach."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks.comparison import Bench

_CPU_INFO = Path("/proc/cpuinfo")
_EXPONENTIALS = 2**16  # at once on a CPU: they stay in its second cache


def heading(bench: Bench) -> str:
    """What a reader needs to judge the figures, and to make them again."""
    info = bench.pipeline.info
    lines = [
        f"{device_name(bench.device)}, torch {torch.__version__}",
        f"Model {info.name} {info.weights_sha256[:12]}, commit {_commit()}",
        f"`{' '.join(['python -m benchmarks', *sys.argv[1:]])}`",
    ]
    if bench.device.type == "cpu":
        lines.append("Seconds are CPU time of one thread, medians of calls made in turn.")
    if bench.quick:
        lines.append("A quick run: its figures mean nothing.")
    return "\n\n".join(lines) + "\n"


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    named = (line for line in _lines(_CPU_INFO) if line.startswith("model name"))
    name = next(named, platform.processor() or platform.machine()).split(":")[-1].strip()
    return f"{name}, one thread"


def matmul_peak(bench: Bench, dtype: torch.dtype) -> float:
    """FLOP a second of a square matrix product, float32 at torch's own precision."""
    on_gpu = bench.device.type == "cuda"
    size = bench.pick(8192 if on_gpu else 1024, 128)
    matrix = torch.randn(size, size, device=bench.device).to(dtype)
    spent = bench.in_turn({"": lambda: [matrix @ matrix for _ in range(4)]})[""]
    return 4 * 2 * size**3 / spent


def exp_peak(bench: Bench) -> float:
    """Exponentials a second of torch, in float32."""
    on_gpu = bench.device.type == "cuda"
    numbers = torch.randn(bench.pick(2**28 if on_gpu else _EXPONENTIALS, 2**10))
    numbers = numbers.to(bench.device)
    out = torch.empty_like(numbers)
    spent = bench.in_turn({"": lambda: [torch.exp(numbers, out=out) for _ in range(100)]})[""]
    return 100 * len(numbers) / spent


def copy_peak(bench: Bench) -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.zeros(bench.pick(2**26, 2**16), device=bench.device)
    target = torch.empty_like(source)
    spent = bench.in_turn({"": lambda: target.copy_(source)})[""]
    return 2 * source.nbytes / spent


def floating_operations(call: Callable[[], object]) -> int:
    """FLOP of the matrix products that a call makes, attention's among them."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001

    def count(
        query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
    ) -> int:
        return int(sdpa_flop_count(query, key, value))

    with FlopCounterMode(display=False, custom_mapping={attention: count}) as counter:
        call()
    return int(counter.get_total_flops())


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return found.stdout.strip() or "unknown"


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        yield from path.read_text().splitlines()
