"""Prefer and Accept."""

from __future__ import annotations

import pytest

from service.errors import InvalidParameter, NotAcceptable
from service.gateway.negotiation import (
    MESH_TYPES,
    Representation,
    Waiting,
    check_accepts,
    mesh_format_of,
    preferred_representation,
    preferred_waiting,
)


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ("", Waiting(30, "wait=30")),
        ("respond-async", Waiting(0, "respond-async")),
        ("Respond-Async", Waiting(0, "respond-async")),
        ("wait=5", Waiting(5, "wait=5")),
        ('wait="5"', Waiting(5, "wait=5")),
        ("wait=0", Waiting(0, "wait=0")),
        ("wait=3600", Waiting(60, "wait=60")),
        ("wait=" + "9" * 5000, Waiting(60, "wait=60")),
        ("wait=²", Waiting(30, "wait=30")),
        ("respond-async, wait=10", Waiting(10, "wait=10")),
        ("wait=soon", Waiting(30, "wait=30")),
        ("wait=-1", Waiting(30, "wait=30")),
        ("handling=strict", Waiting(30, "wait=30")),
        ("return=minimal; foo=bar, respond-async", Waiting(0, "respond-async")),
    ],
)
def test_prefer(prefer: str, expected: Waiting) -> None:
    assert preferred_waiting(prefer, 30.0) == expected


JSON = Representation("application/json")
GLB = Representation("model/gltf-binary", "glb")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("model/gltf-binary", GLB),
        ("MODEL/GLTF-Binary", GLB),
        ("model/*", GLB),
        ("application/zip", Representation("application/zip")),
        ("text/html, model/stl;q=0.5", Representation("model/stl", "stl")),
        ("application/json;q=0.5, model/obj", Representation("model/obj", "obj")),
        ("application/json, model/obj", JSON),
        ("text/html, */*;q=0.8", JSON),
        ("application/x-ply", Representation("model/ply", "ply")),
    ],
)
def test_accept(accept: str, expected: Representation) -> None:
    assert preferred_representation(accept, None, 1) == expected


@pytest.mark.parametrize("accept", ["text/html", "model/obj;q=0", "model/fbx", "nonsense", ","])
def test_unacceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        preferred_representation(accept, None, 1)
    assert caught.value.param == "Accept"
    for offered in ("application/json", *MESH_TYPES.values(), "application/zip"):
        assert offered in (caught.value.suggestion or "")


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/*", "text/event-stream", "application/json, text/event-stream;q=0.1"],
)
def test_the_only_representation_is_accepted_by_name_or_range(accept: str) -> None:
    check_accepts(accept, "text/event-stream")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream;q=0", "text/html", ","])
def test_the_only_representation_is_named_where_it_is_not_accepted(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        check_accepts(accept, "text/event-stream")
    assert caught.value.suggestion == "Accept one of: text/event-stream."


def test_the_format_parameter_narrows_a_range() -> None:
    assert preferred_representation("model/*", "ply", 1).mesh_format == "ply"
    assert preferred_representation("model/ply", "ply", 1).mesh_format == "ply"
    with pytest.raises(InvalidParameter, match="contradicts"):
        preferred_representation("model/obj", "ply", 1)


def test_one_mesh_holds_one_sample() -> None:
    with pytest.raises(InvalidParameter, match="n=3") as caught:
        preferred_representation("model/obj", None, 3)
    assert caught.value.param == "n"
    assert preferred_representation("application/zip", None, 3).media_type == "application/zip"


def test_media_types_of_uploads() -> None:
    assert [mesh_format_of(media_type) for media_type in MESH_TYPES.values()] == list(MESH_TYPES)
    assert mesh_format_of("model/gltf+json") == "gltf"
    assert mesh_format_of("application/octet-stream") is None
