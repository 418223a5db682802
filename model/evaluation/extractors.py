"""What turns surface points into the features of FPD and KPD: ours, or a program from elsewhere.

The paper's Table 6 has the extractor of VecSet, a pretrained PointNet++, whose weights cannot be
bundled. Exported as a program, it fits `load_program`; the bundled one is a small PointNet. Scores
of different extractors do not compare.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model.nn.pointnet import PointNet

BUNDLED_FEATURES = Path(__file__).parent.parent / "weights" / "features"
FORMAT = "lagem-features-1"
BATCH = 8  # shapes an extractor is given at once, always

_WEIGHTS_FILE, _CONFIG_FILE = "model.safetensors", "config.json"


class ExtractorError(ValueError):
    """A file that is no feature extractor, or one that does not do what is asked of it."""


@runtime_checkable
class PointFeatures(Protocol):
    """The signature of a feature extractor."""

    def __call__(self, points: Float[Tensor, "b n 3"], /) -> Float[Tensor, "b f"]:
        """Features of float32 surface points in the canonical frame (unit sphere, Y up)."""
        ...


@dataclass(frozen=True, slots=True)
class Extractor:
    """A feature extractor, and the name and SHA-256 by which scores tell what made them."""

    name: str
    sha256: str
    extract: PointFeatures
    classifier: PointNet | None = None  # where the extractor can name a category too
    categories: tuple[str, ...] = ()  # of the classifier

    def features(self, clouds: Float[np.ndarray, "shapes n 3"]) -> Float64[np.ndarray, "shapes f"]:
        """Features of each cloud.

        Raises:
            ExtractorError: the program refuses the points, or gives something else than finite
                features, one row a cloud.
        """
        return _in_batches(self._checked, clouds)

    def recognised(self, clouds: Float[np.ndarray, "shapes n 3"]) -> tuple[str, ...] | None:
        """The category that each cloud is taken for; None where the extractor knows none."""
        if self.classifier is None:
            return None
        best = _in_batches(self.classifier, clouds).argmax(axis=1)
        return tuple(self.categories[index] for index in best)

    def _checked(self, points: Float[Tensor, "b n 3"]) -> Tensor:
        """The features of one batch, or why they are none."""
        asked = f"the extractor {self.name}, given points {tuple(points.shape)},"
        try:
            found: Any = self.extract(points)
        except (RuntimeError, AssertionError, TypeError, ValueError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise ExtractorError(
                f"{asked} failed: {reason}; export it for float32 points of this shape"
            ) from error
        if not isinstance(found, Tensor):
            raise ExtractorError(f"{asked} gave a {type(found).__name__}, not one tensor (b, f)")
        if found.ndim != 2 or len(found) != len(points):
            raise ExtractorError(f"{asked} gave {tuple(found.shape)}, not (b, f)")
        if not found.isfinite().all():
            raise ExtractorError(f"{asked} gave features that are not finite")
        return found


def load_features(folder: Path = BUNDLED_FEATURES) -> Extractor:
    """The extractor that `lagem train features` has written; the bundled one by default.

    Raises:
        ExtractorError: a missing file, another format, or a hash that does not match.
    """
    for name in (_CONFIG_FILE, _WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ExtractorError(f"{folder} holds no {name}: make both with `lagem train features`")
    config = json.loads((folder / _CONFIG_FILE).read_text())
    if config.get("format") != FORMAT:
        raise ExtractorError(
            f"{folder / _CONFIG_FILE} has format {config.get('format')!r}, this version reads "
            f"{FORMAT!r}"
        )
    weights = (folder / _WEIGHTS_FILE).read_bytes()
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != config["weights_sha256"]:
        raise ExtractorError(
            f"{folder / _WEIGHTS_FILE} has SHA-256 {sha256}, {_CONFIG_FILE} expects "
            f"{config['weights_sha256']}: the file is damaged or from other features"
        )
    categories = tuple(config["categories"])
    model = PointNet(len(categories)).eval().requires_grad_(False)
    model.load_state_dict(load_tensors(weights))
    return Extractor(config["name"], sha256, model.features, model, categories)


def save_features(
    folder: Path, name: str, model: PointNet, categories: tuple[str, ...], facts: dict[str, Any]
) -> str:
    """Write an extractor in half precision, with facts on its training; returns the SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = save_tensors({k: v.detach().cpu().half() for k, v in model.state_dict().items()})
    sha256 = hashlib.sha256(weights).hexdigest()
    config = {"format": FORMAT, "name": name, "weights_sha256": sha256, "categories": categories}
    (folder / _WEIGHTS_FILE).write_bytes(weights)
    (folder / _CONFIG_FILE).write_text(json.dumps(config | {"training": facts}, indent=2) + "\n")
    return sha256


def load_program(path: Path) -> Extractor:
    """An extractor that is a program: `torch.export` (.pt2), or TorchScript (any other name).

    It is called as `PointFeatures` on the CPU, always with `BATCH` shapes, so that a program which
    was exported for a fixed batch of that size works too. A program can do what any program can:
    load none that you do not trust.

    Raises:
        ExtractorError: the file holds no such program.
    """
    data = path.read_bytes()
    try:
        if path.suffix == ".pt2":
            program = torch.export.load(path).module()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
                program = torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:  # torch says nowhere what it raises on a wrong file
        kind = "torch.export program" if path.suffix == ".pt2" else "TorchScript program"
        raise ExtractorError(
            f"{path} is no {kind}: write one with torch.export.save (.pt2) or torch.jit.save; "
            "a file of weights alone is none"
        ) from error
    return Extractor(path.name, hashlib.sha256(data).hexdigest(), program)


@torch.inference_mode()
def _in_batches(
    call: Callable[[Tensor], Tensor], clouds: Float[np.ndarray, "shapes n 3"]
) -> Float64[np.ndarray, "shapes c"]:
    """`call` on all clouds in batches of `BATCH`; the last one is filled up by repetition."""
    count = len(clouds)
    rows = np.resize(np.arange(count), -(-count // BATCH) * BATCH)
    batches = [
        call(torch.from_numpy(clouds[rows[start : start + BATCH]].astype(np.float32)))
        for start in range(0, len(rows), BATCH)
    ]
    return torch.cat(batches)[:count].double().numpy()
