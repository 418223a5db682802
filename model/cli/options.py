"""Options that several commands share, each declared once, and the choices they make up."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from model.pipeline import ShapePipeline

MESH_FORMATS = ("glb", "obj", "ply", "stl")  # those of model.geometry.mesh, slow to import
LARGEST_SEED = 2**64 - 1

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class ParameterDefault:
    """The default that a function or dataclass gives a parameter, looked up when it is needed.

    So the value stays in one place, and help and mistakes need not wait for torch.
    """

    def __init__(self, owner: Callable[[], Callable[..., Any]], name: str) -> None:
        self.owner = owner
        self.name = name

    def __call__(self) -> Any:
        return inspect.signature(self.owner()).parameters[self.name].default

    def __str__(self) -> str:
        return str(self())


def parameter_option(
    owner: Callable[[], Callable[..., Any]],
    name: str,
    kind: Any,
    text: str,
    *,
    values: int = 1,
) -> Decorator:
    """An option for a parameter of `owner`, with the owner's own default."""
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        type=kind,
        nargs=values,
        default=ParameterDefault(owner, name),
        show_default=True,
        help=text,
    )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which weights run where."""

    weights: Path | None  # checkpoint folder; None: the bundled one
    device: str
    threads: int | None  # None: torch's choice

    def load(self) -> ShapePipeline:
        """Load the model.

        Raises:
            CheckpointError: the folder is no checkpoint.
        """
        from model.pipeline import ShapePipeline

        use_threads(self.threads)
        return ShapePipeline.load(self.weights, device=self.device)


@dataclass(frozen=True, slots=True)
class SamplingChoice:
    """How many shapes are drawn, and how."""

    count: int
    seed: int | None  # of the first shape; None: drawn
    steps: int | None  # None: the model's default
    guidance: float | None  # None: the model's default

    def seeds(self) -> list[int]:
        """One seed a shape: the first, then each one more, as the service does."""
        first = secrets.randbelow(2**32) if self.seed is None else self.seed
        return [(first + i) % (LARGEST_SEED + 1) for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class MeshChoice:
    """What meshes the caller wants."""

    resolution: int | None  # None: the model's default
    target_faces: int | None  # None: as extracted
    exhaustive: bool  # ask the field at every sample of the grid
    mesh_format: str | None = None  # None: what the output's name says
    space: str = "normalized"  # or "input", the frame of the mesh once encoded

    def format_of(self, output: Path) -> str:
        """The format of one mesh file: the chosen one, else what the file's ending says.

        Raises:
            UsageError: the ending says none.
        """
        mesh_format = self.mesh_format or output.suffix.removeprefix(".").lower()
        if mesh_format not in MESH_FORMATS:
            raise click.UsageError(
                f"{output} does not say a mesh format: end it in .{', .'.join(MESH_FORMATS)}, "
                "or give --format"
            )
        return mesh_format


def use_threads(threads: int | None) -> None:
    """Have torch use so many CPU threads; None leaves its own choice."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def combined(*options: Decorator) -> Decorator:
    """Several options as one decorator, listed by --help in the order given."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)

    return decorate


def gathered(choice: type, name: str, *options: Decorator) -> Decorator:
    """As `combined`, and the command gets the values as one `choice`, its argument `name`."""
    fields = [field.name for field in dataclasses.fields(choice)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            chosen = {field: values.pop(field) for field in fields if field in values}
            command(**values, **{name: choice(**chosen)})

        return combined(*options)(run)

    return decorate


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), help="CPU threads.  [default: torch's choice]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
output_option = click.option(
    "-o", "--output", type=FOLDER, default="out", show_default=True, help="Folder to write into."
)
format_option = click.option(
    "--format",
    "mesh_format",
    type=click.Choice(MESH_FORMATS),
    default="glb",
    show_default=True,
    help="Mesh format.",
)
resolution_option = click.option(
    "--resolution",
    type=click.IntRange(8, 1024),
    help="Cells per side of the extraction grid.  [default: the model's]",
)
target_faces_option = click.option(
    "--target-faces", type=click.IntRange(4), help="Simplify meshes to about so many faces."
)
exhaustive_option = click.option(
    "--exhaustive",
    is_flag=True,
    help="Ask the field at every sample of the grid, so that no loose part is missed; the time "
    "grows with the cube of the resolution.",
)
space_option = click.option(
    "--space",
    type=click.Choice(["input", "normalized"]),
    default="input",
    show_default=True,
    help="Frame of the mesh: that of the mesh once encoded, or the unit sphere.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    help="Seed of the first shape, the next one is one more.  [default: drawn and printed]",
)
first_seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of the first shape.",
)
steps_option = click.option(
    "--steps", type=click.IntRange(2), help="Noise levels of the sampler.  [default: the model's]"
)
guidance_option = click.option(
    "--guidance",
    type=click.FloatRange(0),
    help="Weight of the category, 1 is plain conditioning.  [default: the model's]",
)
count_option = click.option(
    "-n", "count", type=click.IntRange(1), default=1, show_default=True, help="How many shapes."
)

model_options = gathered(
    ModelChoice,
    "model",
    click.option(
        "--weights",
        type=EXISTING_FOLDER,
        help="Checkpoint folder.  [default: the bundled weights]",
    ),
    device_option,
    threads_option,
)
sampling_options = gathered(
    SamplingChoice, "sampling", count_option, seed_option, steps_option, guidance_option
)

_mesh_options = (resolution_option, target_faces_option, exhaustive_option)
mesh_options = gathered(MeshChoice, "meshing", *_mesh_options, format_option)
placed_mesh_options = gathered(MeshChoice, "meshing", *_mesh_options, format_option, space_option)
mesh_file_options = combined(
    click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default="mesh.glb",
        show_default=True,
        help="Mesh to write; its ending says the format.",
    ),
    gathered(
        MeshChoice,
        "meshing",
        *_mesh_options,
        click.option(
            "--format", "mesh_format", type=click.Choice(MESH_FORMATS), help="Mesh format."
        ),
        space_option,
    ),
)
category_option = click.option("--category", help="What to generate.  [default: anything]")
variant_category_option = click.option(
    "--category", help="Category of the new levels.  [default: the shape's]"
)
keep_level_option = click.option(
    "--keep-level",
    type=click.IntRange(2),
    default=3,
    show_default=True,
    help="Finest level that is kept; 3 is the coarsest.",
)


class FiniteRange(click.FloatRange):
    """A number within bounds that is neither infinite nor NaN, which pass any comparison."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number
