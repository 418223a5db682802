from __future__ import annotations

import pytest
import torch

from model.device import resolve_device


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "cause"), [("bogus", "no device 'bogus'"), ("cuda:99", "not on this machine")]
)
def test_a_device_that_is_not_there_is_named(name: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        resolve_device(name)
