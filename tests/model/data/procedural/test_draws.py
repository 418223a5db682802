"""Random choices: in proportion, and the same for the same generator."""

import numpy as np
import pytest

from model.data.procedural.draws import chance, pick


def test_weights_set_the_proportions() -> None:
    rng = np.random.default_rng(0)
    drawn = [pick(rng, ("a", "b", "c"), (1.0, 0.0, 3.0)) for _ in range(4000)]
    assert "b" not in drawn
    assert drawn.count("c") / 4000 == pytest.approx(0.75, abs=0.03)


def test_without_weights_all_are_equal() -> None:
    rng = np.random.default_rng(0)
    drawn = [pick(rng, (0, 1)) for _ in range(4000)]
    assert sum(drawn) / 4000 == pytest.approx(0.5, abs=0.03)


def test_wrong_numbers_are_errors() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="2 options need as many weights, got 1"):
        pick(rng, ("a", "b"), (1.0,))
    with pytest.raises(ValueError, match="at least one option"):
        pick(rng, ())


def test_chance_is_the_frequency() -> None:
    rng = np.random.default_rng(0)
    assert sum(chance(rng, 0.2) for _ in range(4000)) / 4000 == pytest.approx(0.2, abs=0.03)
