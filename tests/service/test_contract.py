"""Ranges and defaults of the public requests."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from service import contract
from service.contract import (
    DecodeRequest,
    EncodeRequest,
    Frame,
    GenerateRequest,
    JobsRequest,
    LatentsFileRequest,
    MeshRequest,
    PlacedMeshRequest,
    Request,
    ResampleRequest,
)

MESH = {"resolution", "format", "target_faces", "exhaustive"}
SAMPLING = {"category", "seed", "n", "steps", "guidance"}
LATENTS = {"shape", "any_weights"}


@pytest.mark.parametrize(
    ("request_type", "names"),
    [
        (EncodeRequest, MESH | {"space", "filename"}),
        (GenerateRequest, MESH | SAMPLING),
        (ResampleRequest, MESH | SAMPLING | LATENTS | {"space", "keep_level"}),
        (DecodeRequest, MESH | LATENTS | {"space", "level3", "level2", "level1"}),
        (PlacedMeshRequest, MESH | {"space"}),
        (LatentsFileRequest, {"format"}),
        (JobsRequest, {"after", "limit", "order", "state"}),
    ],
)
def test_each_request_takes_what_has_an_effect(
    request_type: type[Request], names: set[str]
) -> None:
    assert request_type.model_fields.keys() == names
    assert all(field.description for name, field in request_type.model_fields.items())
    with pytest.raises(ValidationError, match="not_a_field"):
        request_type.model_validate({"not_a_field": 1})


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("seed", 0, 2**64 - 1),
        ("n", 1, 16),
        ("keep_level", 2, 3),
        ("steps", 2, 128),
        ("resolution", 32, 512),
        ("target_faces", 4, 10_000_000),
    ],
)
def test_ranges_end_where_they_say(field: str, least: int, most: int) -> None:
    for value in (least, most, str(least), str(most)):
        assert getattr(ResampleRequest.model_validate({field: value}), field) == int(value)
    for value in (least - 1, most + 1, "x", least + 0.5):
        with pytest.raises(ValidationError):
            ResampleRequest.model_validate({field: value})


@pytest.mark.parametrize(
    "request_type",
    [EncodeRequest, GenerateRequest, ResampleRequest, DecodeRequest, PlacedMeshRequest],
)
def test_exhaustive_is_yes_or_no(request_type: type[MeshRequest]) -> None:
    for text, value in [("true", True), ("1", True), ("false", False), ("0", False)]:
        assert request_type.model_validate({"exhaustive": text}).exhaustive is value
    for neither in ("", "2", "all"):
        with pytest.raises(ValidationError, match="exhaustive"):
            request_type.model_validate({"exhaustive": neither})


@pytest.mark.parametrize("guidance", [-0.1, float("nan"), float("inf"), "much"])
def test_guidance_is_a_finite_number(guidance: Any) -> None:
    with pytest.raises(ValidationError):
        GenerateRequest.model_validate({"guidance": guidance})
    assert GenerateRequest(guidance=0).guidance == 0


def test_defaults() -> None:
    request = ResampleRequest()
    assert (request.n, request.keep_level, request.format, request.space) == (1, 3, "glb", "input")
    assert request.seed is request.steps is request.resolution is None
    assert not request.any_weights
    assert not request.exhaustive


def test_requests_do_not_change() -> None:
    with pytest.raises(ValidationError):
        GenerateRequest().n = 2  # type: ignore[misc]


def test_mix_names_only_the_levels_given() -> None:
    assert DecodeRequest(level3="shp_a", level1="shp_b").mix == {3: "shp_a", 1: "shp_b"}
    assert DecodeRequest().mix == {}


def test_states_and_operations_are_those_of_jobs() -> None:
    from typing import get_args

    from service.jobs import JobState, Operation

    assert list(get_args(contract.StateName)) == [state.value for state in JobState]
    assert list(get_args(contract.OperationName)) == [name.value for name in Operation]


@pytest.mark.parametrize("scale", [0, -1, 1e-320, 1e31, float("nan"), float("inf")])
def test_a_frame_can_be_undone_in_single_precision(scale: float) -> None:
    with pytest.raises(ValidationError, match="scale"):
        Frame(center=(0.0, 0.0, 0.0), scale=scale)


def test_a_frame_lies_within_single_precision() -> None:
    with pytest.raises(ValidationError, match="center"):
        Frame(center=(0.0, float("inf"), 0.0), scale=1.0)
    assert Frame(center=(0.0, -1e30, 0.0), scale=1e-30).scale == 1e-30


@pytest.mark.parametrize("after", ["zzz", "job_", "shp_01m82ktjm2sfdsh9zncyxp1tsg"])
def test_a_page_begins_behind_a_job(after: str) -> None:
    with pytest.raises(ValidationError, match="after"):
        JobsRequest(after=after)
