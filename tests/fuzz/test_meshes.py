"""Spoiled meshes: each is read, or refused with a typed error; readers live on."""

from __future__ import annotations

import io
from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import ERROR_SPECS, MeshError, ServiceError
from tests.fuzz.answers import check_words
from tests.fuzz.conftest import Reader
from tests.fuzz.gateway import Gateway
from tests.fuzz.mutations import mutations, spoiled
from tests.fuzz.samples import primitive_files, real_files

PRIMITIVES = sorted(primitive_files())
EVERYTHING = sorted({**primitive_files(), **real_files()})
FEW = settings(max_examples=100, derandomize=True, deadline=None, database=None)
MANY = settings(max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
UNFORESEEN = "no reader here foresees"


def check(reader: Reader, name: str, ways: list) -> None:
    data = spoiled({**primitive_files(), **real_files()}[name], ways)
    hint = PurePath(name).suffix if len(data) % 2 else None
    answer = reader(data, hint)
    if isinstance(answer, ServiceError):
        assert isinstance(answer, MeshError), repr(answer)
        assert ERROR_SPECS[answer.code].http < 500
        assert UNFORESEEN not in answer.detail
        check_words(answer.detail)
        assert "ended the process" not in answer.detail
        assert answer.suggestion
        assert len(answer.detail) < 1100
        return
    points = np.load(io.BytesIO(answer.points), allow_pickle=False)
    assert points.shape == (8192, 3)
    assert np.linalg.norm(points, axis=1).max() < 1.001


@pytest.mark.parametrize("name", EVERYTHING)
def test_good_files_are_read(reader: Reader, name: str) -> None:
    answer = reader({**primitive_files(), **real_files()}[name], None)
    assert not isinstance(answer, ServiceError), answer


@FEW
@given(name=st.sampled_from(PRIMITIVES), ways=mutations())
def test_a_few_spoiled_meshes(reader: Reader, name: str, ways: list) -> None:
    check(reader, name, ways)


@pytest.mark.slow
@MANY
@given(name=st.sampled_from(EVERYTHING), ways=mutations())
def test_many_spoiled_meshes(reader: Reader, name: str, ways: list) -> None:
    check(reader, name, ways)


@settings(FEW, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(PRIMITIVES), ways=mutations())
def test_a_few_spoiled_uploads(gateway: Gateway, name: str, ways: list) -> None:
    gateway.encode(spoiled(primitive_files()[name], ways))


@pytest.mark.slow
@settings(SOME, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(EVERYTHING), ways=mutations())
def test_many_spoiled_uploads(gateway: Gateway, name: str, ways: list) -> None:
    gateway.encode(spoiled({**primitive_files(), **real_files()}[name], ways))
