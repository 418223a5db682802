"""Measures the model and prints Markdown tables: `make bench`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import (
    decode,
    endtoend,
    field,
    fps,
    gpu,
    growth,
    overlap,
    peak,
    sampling,
    surface,
)
from benchmarks.comparison import Bench, Table
from benchmarks.machine import heading
from model.device import resolve_device
from model.gridfield import prepare
from model.pipeline import ShapePipeline

PARTS: dict[str, Callable[[Bench], Iterator[Table]]] = {
    "decode": decode.tables,
    "field": field.tables,
    "surface": surface.tables,
    "growth": growth.tables,
    "sampling": sampling.tables,
    "endtoend": endtoend.tables,
    "overlap": overlap.tables,
    "fps": fps.tables,
    "peak": peak.tables,
    "gpu": gpu.tables,
}

DESCRIPTION = """\
Measures the model and prints Markdown tables.

parts (all, when none is named):
  decode    latents to mesh: as released against ours, each speed-up alone and together
  field     queries a second of every form of the query function; the best chunk
  surface   what tracking misses and asks; sparse marching cubes against PyMCubes; exhaustive
  growth    time, queries and memory over resolution, samples and batch size
  sampling  precision, compilation, guidance, kept conditions, and the floor by FLOPs
  endtoend  a generation and an encoding, stage by stage, to the file; the preview
  overlap   jobs whose shapes are finished beside the model, in wall time
  fps       one farthest-point order for all levels against a run for each
  peak      the machine's rates, and which part of them the field's kernel reaches
  gpu       the goals on a GPU: decoding and sampling at the paper's size, batches"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    made.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")
    made.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    made.add_argument("--weights", type=Path, help="a checkpoint folder; default: the bundled one")
    surfaces = made.add_argument_group("surface")
    surfaces.add_argument("--seeds", type=int, default=1, help="generated shapes of each category")
    surfaces.add_argument("--meshes", type=Path, help="a folder of meshes to encode beside them")
    return made


def measure(bench: Bench, parts: list[str]) -> Iterator[Table]:
    """The tables of parts, each as soon as it is there."""
    for part in parts:
        with torch.inference_mode():
            yield from PARTS[part](bench)


def main() -> None:
    arguments = parser()
    chosen = arguments.parse_args()
    if unknown := [part for part in chosen.parts if part not in PARTS]:
        arguments.error(f"no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    try:
        resolve_device(chosen.device)
    except ValueError as error:
        arguments.error(str(error))
    torch.set_num_threads(1)
    if chosen.device == "cpu":
        prepare()
    pipeline = ShapePipeline.load(chosen.weights, device=chosen.device)
    bench = Bench(pipeline, chosen.quick, chosen.seeds, chosen.meshes)
    print(heading(bench))
    for table in measure(bench, chosen.parts or list(PARTS)):
        print(table.markdown(), flush=True)


if __name__ == "__main__":
    main()
