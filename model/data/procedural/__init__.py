"""Parametric shapes of the paper's seven categories, with exact signed distance.

One category a file; a shape is a union of posed solids (`Solids`), Y up, front towards +z, in the
unit sphere. The same category and seed always give the same shape.
"""

from collections.abc import Callable

import numpy as np

from model.data.procedural import airplane, car, chair, lamp, rifle, sofa, table
from model.data.procedural.solids import Solids

CATEGORIES: dict[str, Callable[[np.random.Generator], Solids]] = {
    "table": table.build,
    "car": car.build,
    "chair": chair.build,
    "airplane": airplane.build,
    "sofa": sofa.build,
    "rifle": rifle.build,
    "lamp": lamp.build,
}
"""Builders by category name, in the order of the paper's class-conditional model."""


def build(category: str, seed: int) -> Solids:
    """One shape of a category: a batch of one, normalised to the unit sphere.

    Raises:
        ValueError: for an unknown category.
    """
    if category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}: choose one of {', '.join(CATEGORIES)}")
    return CATEGORIES[category](np.random.default_rng(seed))
