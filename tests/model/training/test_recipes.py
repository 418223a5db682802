"""`lagem train recipe`: what it refuses, skips, makes, and how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from model.checkpoint import load_checkpoint
from model.cli.recipe import runner
from model.cli.recipe.budget import EXIT_CODE
from model.cli.recipe.checks import check
from model.cli.recipe.recipe import Recipe
from model.cli.recipe.stages import stages
from model.training import autoencoder
from model.training.state import is_finished
from tests.model.command import lagem, refuse, succeed
from tests.model.training.line import losses

TOY = Path("recipes/toy.toml")
PHASES = ("phase1/autoencoder", "train/autoencoder")
LEVELS = ("train/level3", "train/level2", "train/level1")


def without_measures(text: str) -> str:
    """The toy recipe up to its export; steps in place of minutes, that a run can be repeated."""
    assert "minutes = 0.02" in text
    return text.partition("[[evaluation]]")[0].replace("minutes = 0.02", "steps = 4")


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A recipe without evaluations."""
    path = tmp_path / "short.toml"
    path.write_text(without_measures(TOY.read_text()))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of `short`."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = folder / "short.toml"
    recipe.write_text(without_measures(TOY.read_text()))
    succeed("train", "recipe", recipe, "--run", folder / "run")
    return folder / "run"


def record(run: Path) -> dict[str, Any]:
    stages: dict[str, Any] = json.loads((run / "recipe.json").read_text())["stages"]
    return stages


def assert_same(run: Path, whole: Path) -> None:
    """The same curves, and the same weights byte for byte."""
    for stage in (*PHASES, *LEVELS):
        assert losses(run / stage) == losses(whole / stage)
    name = "weights/model.safetensors"
    assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_a_recipe_makes_a_model(whole: Path) -> None:
    checkpoint = load_checkpoint(whole / "weights")
    assert checkpoint.config.name == "toy"
    assert checkpoint.cascade is not None
    stages = record(whole)
    assert list(stages) == [
        *("data synth", "data jumbles", "autoencoder 1", "export 1", "autoencoder 2"),
        *("level 3", "level 2", "level 1", "export"),
    ]
    assert all(entry["done"] and entry["starts"] == 1 for entry in stages.values())
    command = stages["autoencoder 2"]["command"]
    assert command.startswith("lagem train autoencoder --run ")
    assert "--rotate 0.25" in command
    assert "--from" in command
    assert "learning_rate" not in stages["autoencoder 1"]["recipe"]["settings"]


def test_done_stages_keep_their_average_alone_and_are_skipped(whole: Path, short: Path) -> None:
    assert all(is_finished(whole / stage) for stage in (*PHASES, *LEVELS))
    before = (whole / "weights/model.safetensors").stat().st_mtime_ns
    printed = succeed("train", "recipe", short, "--run", whole)
    assert printed.count("done before") == 9
    assert (whole / "weights/model.safetensors").stat().st_mtime_ns == before
    message = refuse(
        *("train", "autoencoder", "--preset", whole / "model.json", "--run", whole / "train"),
        *("--data", whole / "data/synth", "--steps", 20, "--allow-changed-settings"),
    )
    assert "keeps the average alone" in message


@pytest.mark.parametrize(
    ("given", "mistake", "named"),
    [
        ("[model]", "[modell]", "[model]: name is missing"),
        ("[data.jumbles]", '[data."../jumbles"]', "name '../jumbles' must be that of a folder"),
        ('kind = "noise"', 'kind = "noise"\nname = ""', "name '' must be that of a folder"),
        ("[data.test]", "[datas.test]", "data: no [data.test]"),
        (
            "channels = 32\nhead",
            "chanels = 32\nhead",
            "AutoEncoderConfig does not know ['chanels']",
        ),
        ("channels = 32\nhead", 'channels = "32"\nhead', "[model]: autoencoder.channels cannot be"),
        ("layers = 1, head", "depth = 1, head", "layers"),
        ('licence = "MIT"', "", "[model]: licence is missing"),
        ("per_category = 2", "per_categories = 2", "[data.synth]: unknown key per_categories"),
        ("jumbles = 4", "jumbles = -4", "[data.jumbles]: Invalid value for '--jumbles'"),
        ("per_category = 2", "", "[data.synth]: Missing option '--per-category'"),
        ('prepared = "optional"', 'prepared = "maybe"', "[data.real]: prepared must be"),
        ('split = "test"', 'split = "exam"', "[data.test]: Invalid value for '--split'"),
        ("volume_points = 256", "volume_points = 255", "give an even number, not 255"),
        ("steps = 12", 'steps = "12"', "[[autoencoder]] 2: steps must be a whole number"),
        ("steps = 12", "steps = true", "[[autoencoder]] 2: steps must be a whole number"),
        ("steps = 12", "", "[[autoencoder]] 2: give steps or minutes"),
        ("rotate = 0.25", "turn = 0.25", "[[autoencoder]] 2: unknown key turn: known are"),
        ("rotate = 0.25", 'data_ = "x"', "unknown key data_"),
        ("rotate = 0.25", "run = 1", "[[autoencoder]] 2: unknown key run"),
        ("rotate = 0.25", "ema_decay = 1", "[[autoencoder]] 2: ema_decay must be from 0"),
        ('"synth", "jumbles"', '"synths", "jumbles"', "[[autoencoder]] 2: data: no [data.synths]"),
        ("surface_points = 64\nvolume", "surface_points = 8\nvolume", "finest level's 16 tokens"),
        ("[0.9, 1.1]", "[0.9]", "axis_scaling must be a list of 2"),
        ("level = 2", "level = 3", "[[denoiser]] 2: level must be one of 1 to 3, each once"),
        ("minutes = 0.02", "minutes = 0.02\nwarmup = 5", "warmup must be at least 3 times"),
        ("minutes = 0.02", "minutes = 0.02\nsteps = 5", "[[denoiser]] 3: give steps or minutes"),
        ('kind = "noise"', 'kind = "silence"', "[[evaluation]] 2: no kind 'silence'"),
        ("limit = 1\n\n[g", "limit = 0.5\n\n[g", "[[evaluation]] 2: limit must be a whole number"),
        ("[gallery]", "[gallery]\nseeds = 1", "[gallery]: unknown key seeds"),
        ("[gallery]", "[galery]", "unknown key galery"),
        ("[gallery]", "[[[", "is no TOML file"),
    ],
)
def test_a_mistake_is_refused_by_name_before_anything_is_done(
    given: str, mistake: str, named: str, tmp_path: Path
) -> None:
    text = TOY.read_text()
    assert given in text
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(given, mistake, 1))
    message = refuse("train", "recipe", wrong, "--run", tmp_path / "run")
    assert named in message
    assert "wrong.toml" in message
    assert not (tmp_path / "run").exists()


def test_check_alone_does_nothing(tmp_path: Path) -> None:
    printed = succeed("train", "recipe", TOY, "--run", tmp_path / "run", "--check")
    assert "13 stages, 13 to do" in printed
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("file", sorted(Path("recipes").glob("*.toml")), ids=str)
def test_bundled_recipes_can_be_followed(file: Path) -> None:
    recipe = Recipe.read(file)
    check(recipe, stages(recipe))


def test_data_that_is_not_given_is_left_out_or_refused(short: Path, tmp_path: Path) -> None:
    command = ("train", "recipe", short, "--run", tmp_path / "run", "--check")
    assert "autoencoder 1: without real, which is not given" in succeed(*command)
    short.write_text(short.read_text().replace('"optional"', '"required"'))
    assert "[[autoencoder]] 1: data real is required: give --prepared real=" in refuse(*command)
    for prepared in ("real", "real=nowhere"):
        assert "NAME=FOLDER" in refuse(*command, "--prepared", prepared)
    assert "no [data.rael]" in refuse(*command, "--prepared", f"rael={tmp_path}")


def test_prepared_shards_are_trained_on_if_their_points_agree(
    short: Path, whole: Path, tmp_path: Path
) -> None:
    real, other = whole / "data/jumbles", tmp_path / "other"
    command = ("train", "recipe", short, "--run", tmp_path / "run", "--check")
    assert "without" not in succeed(*command, "--prepared", f"real={real}")
    succeed("data", "synth", "-o", other, "--per-category", 1, "--surface-points", 64)
    message = refuse(*command, "--prepared", f"real={other}")
    assert "[[autoencoder]] 1" in message
    assert "state the same in [points]" in message


def test_a_warm_start_needs_the_same_model(short: Path, tmp_path: Path) -> None:
    text = short.read_text().replace("steps = 6", 'steps = 6\nfrom = "model/weights/starter"')
    short.write_text(text)
    message = refuse("train", "recipe", short, "--run", tmp_path / "run", "--check")
    assert "[[autoencoder]] 1: from is another model" in message


def test_a_run_goes_on_with_its_recipe_only(short: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    short.write_text(short.read_text().replace("rotate = 0.25", "rotate = 0.75"))
    message = refuse("train", "recipe", short, "--run", run)
    assert "autoencoder 2.settings.rotate: 0.25 -> 0.75" in message


@pytest.mark.parametrize(
    ("place", "calls"),
    [
        ((autoencoder, "reconstruction_loss"), 5),
        ((autoencoder, "reconstruction_loss"), 11),
        ((runner, "keep_average"), 0),
        ((runner, "keep_average"), 3),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bytes(
    place: tuple[Any, str],
    calls: int,
    short: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        """Stands for a kill that no code sees coming."""

    module, name = place
    function: Callable[..., Any] = getattr(module, name)
    left = calls

    def deadly(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return function(*arguments)

    run = tmp_path / "run"
    monkeypatch.setattr(module, name, deadly)
    with pytest.raises(Killed):
        lagem_unguarded("train", "recipe", short, "--run", run)
    monkeypatch.undo()
    succeed("train", "recipe", short, "--run", run)
    assert_same(run, whole)


def lagem_unguarded(*arguments: object) -> None:
    from model.cli import main

    main.main([str(argument) for argument in arguments], standalone_mode=False)


def test_a_run_out_of_time_says_so_and_goes_on_elsewhere(
    short: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    command = ("train", "recipe", short, "--run")
    drawn, steps = autoencoder.reconstruction_loss, 0

    def slow(*arguments: Any) -> Any:  # the budget ends in the second phase's fourth step
        nonlocal steps
        steps += 1
        if steps == 10:
            signal.setitimer(signal.ITIMER_REAL, 1e-3)
            signal.pause()
        return drawn(*arguments)

    monkeypatch.setattr(autoencoder, "reconstruction_loss", slow)
    stopped: Result = lagem(*command, run, "--minutes", 60)
    monkeypatch.undo()
    assert stopped.exit_code == EXIT_CODE
    assert "the 60 minutes are over: give the same command again" in stopped.stderr
    assert losses(run / PHASES[1])[-1][0] == "4"
    assert record(run)["autoencoder 2"].get("done") is None
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL

    listed = (run / "carry.txt").read_text().splitlines()
    assert "train/autoencoder/state.pt" in listed
    assert "phase1/autoencoder/state.pt" not in listed  # its weights say as much
    for name in listed:
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / name, elsewhere / name)
    for folder in (run, elsewhere):
        assert "export 1: done before" in succeed(*command, folder)
        assert_same(folder, whole)


def test_no_time_at_all_stops_before_the_first_stage(short: Path, tmp_path: Path) -> None:
    stopped = lagem("train", "recipe", short, "--run", tmp_path / "run", "--minutes", 1e-6)
    assert stopped.exit_code == EXIT_CODE
    assert "give the same command again" in stopped.stderr


def test_a_stopped_run_exits_as_its_signal_says(
    short: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = autoencoder.reconstruction_loss

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return drawn(*arguments)

    monkeypatch.setattr(autoencoder, "reconstruction_loss", interrupted)
    command = ("train", "recipe", short, "--run", tmp_path / "run")
    stopped = lagem(*command)
    assert stopped.exit_code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM after step 1 of 6, saved in" in stopped.stderr
    monkeypatch.undo()
    succeed(*command)
    assert_same(tmp_path / "run", whole)


def test_minutes_become_steps_once(short: Path, tmp_path: Path) -> None:
    head, _, tail = short.read_text().rpartition("steps = 4")
    short.write_text(head + "minutes = 0.005" + tail)
    run = tmp_path / "run"
    printed = succeed("train", "recipe", short, "--run", run)
    steps = record(run)["level 1"]["steps"]
    assert f"level 1: 0.005 minutes are {steps} steps here" in printed
    assert losses(run / "train/level1")[-1][0] == str(steps)
    assert steps > 6  # those it was measured by

    values = json.loads((run / "recipe.json").read_text())  # as if stopped before the rest of them
    del values["stages"]["level 1"]["done"]
    values["stages"]["level 1"]["steps"] = steps + 7
    (run / "recipe.json").write_text(json.dumps(values))
    (run / "train/level1/state.pt").unlink()
    succeed("train", "recipe", short, "--run", run)
    assert losses(run / "train/level1")[-1][0] == str(steps + 7)


def test_an_evaluation_that_fails_holds_up_nothing(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.evaluation import levels

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("nothing to see")

    text = short.read_text()
    short.write_text(
        text + '[[evaluation]]\nkind = "levels"\n[[evaluation]]\nkind = "levels"\nname = "b"\n'
    )
    monkeypatch.setattr(levels, "evaluate_levels", fail)
    result = lagem("train", "recipe", short, "--run", tmp_path / "run")
    assert result.exit_code == 2
    assert result.stderr.count("evaluate b failed: nothing to see") == 1
    assert "all else is done, but evaluate levels failed" in result.stderr
    assert record(tmp_path / "run")["export"]["done"]


@pytest.mark.slow
def test_the_toy_recipe_survives_kill_9_and_draws_its_pictures(
    tmp_path: Path, repo_root: Path
) -> None:
    run = tmp_path / "run"
    program = (sys.executable, "-m", "model.cli", "train", "recipe", str(TOY), "--run", str(run))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)}
    stages = len(tomllib.loads(TOY.read_text())["denoiser"])
    assert stages == 3
    for sign in ("] autoencoder 2", "] evaluate reconstruction"):
        with subprocess.Popen(
            [*program, "--threads", "1"],
            env=environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if sign in line:
                    process.kill()
                    break
    succeed("train", "recipe", TOY, "--run", run)
    assert (run / "reports/reconstruction/reconstruction.md").exists()
    assert (run / "gallery/README.md").exists()
    assert all(entry["done"] for entry in record(run).values())
