"""Kinds that are whole builders of their own: each is in one piece, and categories draw them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from model.data.procedural import build, car, chair, lamp, rifle, table
from model.data.procedural.assembly import Assembly
from model.data.procedural.carbine import carbine, hand_cannon
from model.data.procedural.counters import COUNTERS
from model.data.procedural.fixtures import FIXTURES
from model.data.procedural.folding import FOLDING_CHAIRS
from model.data.procedural.lorry import box_van, lorry
from model.data.procedural.stools import STOOLS
from tests.model.data.procedural.pieces import pieces_and_depths

Filler = Callable[[np.random.Generator, Assembly], None]
Maker = Callable[[np.random.Generator], Assembly]

THINNEST = 0.019
FILLERS: Sequence[Filler] = (*STOOLS[0], *FOLDING_CHAIRS[0], *FIXTURES[0], *COUNTERS[0])
MAKERS: Sequence[Maker] = (carbine, hand_cannon, lorry, box_van)


def filled(kind: Filler) -> Maker:
    """A builder that returns what another adds to an assembly."""

    def make(rng: np.random.Generator) -> Assembly:
        assembly = Assembly()
        kind(rng, assembly)
        return assembly

    make.__name__ = kind.__name__
    return make


@pytest.mark.parametrize(
    "kind", [*map(filled, FILLERS), *MAKERS], ids=lambda kind: str(kind.__name__)
)
def test_a_kind_is_one_piece_and_thick_enough(kind: Maker) -> None:
    for seed in range(4):
        shape = kind(np.random.default_rng(seed)).build()
        pieces, depths = pieces_and_depths(shape, 400)
        assert pieces == 1, f"seed {seed}"
        assert 2.0 * min(depths) > THINNEST, f"seed {seed}"


@pytest.mark.parametrize(
    ("category", "module", "name"),
    [
        ("chair", chair, "STOOLS"),
        ("chair", chair, "FOLDING_CHAIRS"),
        ("lamp", lamp, "FIXTURES"),
        ("table", table, "COUNTERS"),
    ],
)
def test_a_category_draws_every_kind_of_a_table(
    monkeypatch: pytest.MonkeyPatch, category: str, module: object, name: str
) -> None:
    kinds, weights = getattr(module, name)
    drawn: set[str] = set()

    def noted(kind: Filler) -> Filler:
        def fill(rng: np.random.Generator, assembly: Assembly) -> None:
            drawn.add(kind.__name__)
            kind(rng, assembly)

        return fill

    monkeypatch.setattr(module, name, (tuple(map(noted, kinds)), weights))
    for seed in range(120):
        build(category, seed)
    assert drawn == {kind.__name__ for kind in kinds}


@pytest.mark.parametrize(
    ("category", "module", "name"),
    [
        ("rifle", rifle, "carbine"),
        ("rifle", rifle, "hand_cannon"),
        ("car", car, "lorry"),
        ("car", car, "box_van"),
    ],
)
def test_a_category_draws_the_kind(
    monkeypatch: pytest.MonkeyPatch, category: str, module: object, name: str
) -> None:
    maker: Maker = getattr(module, name)
    calls = []

    def noted(rng: np.random.Generator) -> Assembly:
        calls.append(name)
        return maker(rng)

    monkeypatch.setattr(module, name, noted)
    for seed in range(100):
        build(category, seed)
    assert 0.01 < len(calls) / 100 < 0.4
