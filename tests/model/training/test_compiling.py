from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model.autoencoder import AutoEncoder
from model.diffusion.cascade import Cascade
from model.training.compiling import compile_modules
from model.training.loop import fit
from model.training.state import STATE_FILE
from tests.model.conftest import TINY
from tests.model.training.line import Line, config, loss

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")  # torch's own, as it loads


def compiled(model: nn.Module) -> set[str]:
    return {name for name, part in model.named_modules() if part._compiled_call_impl is not None}


def test_what_is_called_as_a_whole_is_compiled_as_a_whole() -> None:
    assert TINY.cascade is not None
    cascade = Cascade(TINY.cascade, TINY.autoencoder)
    compile_modules(cascade.denoisers[0])
    assert compiled(cascade.denoisers[0]) == {""}


def test_an_autoencoder_is_compiled_block_by_block_under_the_same_names() -> None:
    model = AutoEncoder(TINY.autoencoder)
    names = list(model.state_dict())
    compile_modules(model)
    assert list(model.state_dict()) == names
    found = compiled(model)
    assert {"point_embedding", "levels.0.downsample", "levels.0.layers", "upsamples.1"} <= found
    assert {"query_attentions.2"} <= found
    assert not {"", "levels", "levels.0", "to_logit"} & found
    assert compiled(copy.deepcopy(model)) == set()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch compiles for the CPU by a C++ compiler")
def test_compiled_training_is_the_same_and_goes_on_uncompiled(tmp_path: Path) -> None:
    plain, same = Line(), Line()
    steady: dict[str, Any] = {"final_learning_rate": 1.0}  # whatever the number of steps
    whole = fit(plain, loss, config(20, **steady), tmp_path / "plain")
    fit(Line(), loss, config(10, compile=True, **steady), tmp_path / "compiled")
    state = torch.load(tmp_path / "compiled" / STATE_FILE, weights_only=True)
    assert list(state["model"]) == list(plain.state_dict())
    average = fit(same, loss, config(20, **steady), tmp_path / "compiled")
    assert compiled(same) == set()
    for mine, theirs in zip(average.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)  # Muon works in bf16
