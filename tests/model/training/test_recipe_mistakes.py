"""Keys of a recipe that stand in a table which has no use for them, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.command import refuse, succeed

TOY = Path("recipes/toy.toml")
SHARED, DRAWS, NOISE = "[training] #", "draws = 32", 'kind = "noise"'
STAGES = "it in every [[autoencoder]] and [[denoiser]], not here"
OTHERS = "[[evaluation]] 2: baseline is of no use to kind"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tmp_path / "wrong.toml"


def refused(recipe: Path, text: str) -> str:
    recipe.write_text(text)
    message = refuse("train", "recipe", recipe, "--run", recipe.parent / "run", "--check")
    assert message.startswith(f"Error: {recipe}: ")
    return message


@pytest.mark.parametrize(
    ("given", "mistake", "named"),
    [
        (SHARED, "[training]\nsteps = 5 #", f"[training]: steps is not common: state {STAGES}"),
        (SHARED, "[training]\nminutes = 5 #", f"[training]: minutes is not common: state {STAGES}"),
        (SHARED, "[training]\ndata = [] #", "in every [[autoencoder]] and [latents], not here"),
        (DRAWS, "steps = 32", f"[latents]: steps is not common: state {STAGES}"),
        (DRAWS, "level = 3", "[latents]: level is not common: state it in every [[denoiser]], not"),
        (NOISE, f'{NOISE}\nbaseline = "synth"', f"{OTHERS} 'noise', only to generation: take it"),
        (f'{NOISE}\ndata = "test"', 'kind = "levels"\nbaseline = "synth"', f"{OTHERS} 'levels'"),
        (NOISE, 'kind = "levels"', "[[evaluation]] 2: data is of no use to kind 'levels', only to"),
        (NOISE, 'kind = "generation"\nbaseline = "test"', "2: baseline must be other data than"),
        (NOISE, 'kind = "generation"\nbaseline = "x"', "[[evaluation]] 2: baseline: no [data.x]"),
    ],
)
def test_a_key_that_belongs_elsewhere_is_refused_where_it_stands(
    given: str, mistake: str, named: str, recipe: Path
) -> None:
    text = TOY.read_text()
    assert given in text
    assert named in refused(recipe, text.replace(given, mistake, 1))


def test_latents_without_denoisers_are_refused_with_the_way_out(recipe: Path) -> None:
    head, _, tail = TOY.read_text().partition("[[denoiser]]")
    message = refused(recipe, head + "[[evaluation]]" + tail.partition("[[evaluation]]")[2])
    assert "[latents]: there is no [[denoiser]] to be trained on them" in message
    assert "one for each level, or take [latents] out" in message


def test_a_baseline_of_other_data_is_taken(recipe: Path) -> None:
    head, _, _ = TOY.read_text().partition(NOISE)
    recipe.write_text(f'{head}kind = "generation"\ndata = "test"\nbaseline = "synth"\n')
    command = ("train", "recipe", recipe, "--run", recipe.parent / "run", "--check")
    assert "12 stages" in succeed(*command)
