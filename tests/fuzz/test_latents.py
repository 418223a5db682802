"""Spoiled latents: each is decoded, or refused with a typed error; nothing is unpickled."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.latentfile import LatentFile, LatentFileError
from tests.fuzz.gateway import Gateway
from tests.fuzz.mutations import mutations, spoiled
from tests.service.gateway.fakeworker import LEVELS, MODEL, drawn_levels

METADATA = {
    "shape": "shp_1",
    "model": MODEL["name"],
    "weights_sha256": MODEL["weights_sha256"],
    "category": "table",
    "seed": "7",
    "normalization": json.dumps({"center": [0.5, -1.0, 0.0], "scale": 2.0}),
}
GOOD = LatentFile(drawn_levels(7), METADATA)
FEW = settings(max_examples=60, derandomize=True, deadline=None, database=None)
MANY = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
OVER_THE_WIRE = [HealthCheck.function_scoped_fixture]


def stored(data: bytes) -> bytes:
    """An npz whose members are not compressed, so that spoiling reaches them."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target,
    ):
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    return buffer.getvalue()


FILES = {
    "safetensors": GOOD.to_safetensors(),
    "deflated": GOOD.to_npz(),
    "stored": stored(GOOD.to_npz()),
}


def mended(data: bytes) -> bytes:
    """A stored npz whose checksums are right again, so that more than those is tried."""
    out = bytearray(data)
    begin = data.find(b"PK\x03\x04")
    while 0 <= begin < len(data) - 30:
        size, length, extra = struct.unpack_from("<I4xHH", data, begin + 18)
        start = begin + 30 + length + extra
        name = data[begin + 30 : begin + 30 + length]
        checksum = struct.pack("<I", zlib.crc32(data[start : start + size]))
        out[begin + 14 : begin + 18] = checksum
        entry = data.find(b"PK\x01\x02")
        while 0 <= entry < len(data) - 46:
            if data[entry + 46 : entry + 46 + length] == name:
                out[entry + 16 : entry + 20] = checksum
            entry = data.find(b"PK\x01\x02", entry + 4)
        begin = data.find(b"PK\x03\x04", begin + 4)
    return bytes(out)


_NUMBERS = st.one_of(
    st.integers(-2, 40),
    st.sampled_from([2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400, 0.5, True]),
)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
_NAMES = st.sampled_from(["level1", "level2", "level3", "level9", "level0", "__metadata__", "x"])


@st.composite
def safetensors_files(draw: st.DrawFn) -> bytes:
    """Headers that look right, with numbers that need not be; names may repeat."""
    entries = []
    for name in draw(st.lists(_NAMES, max_size=5)):
        shape = draw(st.lists(_NUMBERS, max_size=4) | st.sampled_from([[4, 8], [8, 4], [16, 2]]))
        offsets = draw(st.lists(_NUMBERS, max_size=3) | st.sampled_from([[0, 128], [128, 256]]))
        dtype = draw(st.sampled_from(["F32", "F32", "F32", "F64", "BF16", "I64", "f32", "", None]))
        info: Any = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        entries.append((name, draw(st.just(info) | st.just(info) | _JSON)))
    header = "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in entries) + "}"
    text = header.encode("utf-8", "replace")
    length = draw(st.sampled_from([len(text)] * 6 + [0, 1, len(text) + 9, 2**40, 2**64 - 1]))
    return struct.pack("<Q", length) + text + bytes(draw(st.sampled_from([0, 4, 128, 384])))


@st.composite
def npz_files(draw: st.DrawFn) -> bytes:
    """Archives of arrays whose headers promise what need not follow."""
    buffer = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in draw(st.lists(_NAMES, max_size=4, unique=True)):
            kinds = ["<f4", "<f4", "<f4", ">f4", "<f8", "|O", "|V0", "<U4", "<M8[ns]", "", "f4,i4"]
            kind: Any = draw(st.sampled_from(kinds) | _JSON)
            shape = tuple(draw(st.lists(_NUMBERS, max_size=3)))
            right = {"descr": kind, "fortran_order": draw(_JSON), "shape": shape}
            header = draw(st.just(repr(right)) | st.text("()'{}:,[]", max_size=30)).encode()
            major = draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
            size = struct.pack("<H" if major == 1 else "<I", len(header) % 2**16)
            data = draw(st.binary(max_size=130) | st.just(pickle.dumps({"a": 1})))
            archive.writestr(f"{name}.npy", b"\x93NUMPY" + bytes([major, 0]) + size + header + data)
    return buffer.getvalue()


def hostile_files() -> st.SearchStrategy[bytes]:
    bent = st.builds(spoiled, st.sampled_from(sorted(FILES.values())), mutations())
    return st.one_of(bent, bent.map(mended), safetensors_files(), npz_files())


def read(data: bytes) -> LatentFile | LatentFileError:
    try:
        return LatentFile.from_bytes(data)
    except LatentFileError as error:
        return error


def check(data: bytes) -> None:
    answer = read(data)
    if isinstance(answer, LatentFileError):
        assert 10 < len(str(answer)) < 1000
        return
    assert all(vectors.dtype == np.float32 for vectors in answer.levels.values())
    assert LatentFile.from_bytes(answer.to_safetensors()).metadata == answer.metadata


@pytest.mark.parametrize("name", FILES)
def test_good_latents_are_read(name: str) -> None:
    assert {level: v.shape for level, v in LatentFile.from_bytes(FILES[name]).levels.items()} == (
        LEVELS
    )


def test_mending_leaves_a_good_archive_alone() -> None:
    assert mended(FILES["stored"]) == FILES["stored"]


@pytest.mark.filterwarnings("ignore")
@settings(FEW, max_examples=200)
@given(data=hostile_files())
def test_a_few_hostile_latents(data: bytes) -> None:
    check(data)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(MANY, max_examples=15_000)
@given(data=hostile_files())
def test_many_hostile_latents(data: bytes) -> None:
    check(data)


@settings(FEW, suppress_health_check=OVER_THE_WIRE)
@given(
    data=hostile_files(), path=st.sampled_from(["/decode", "/resample", "/decode?any_weights=1"])
)
def test_a_few_hostile_uploads(gateway: Gateway, data: bytes, path: str) -> None:
    gateway.ask("POST", path, content=data)


@pytest.mark.slow
@MANY
@given(
    data=hostile_files(), path=st.sampled_from(["/decode", "/resample", "/decode?any_weights=1"])
)
def test_many_hostile_uploads(gateway: Gateway, data: bytes, path: str) -> None:
    gateway.ask("POST", path, content=data)


@settings(FEW, suppress_health_check=OVER_THE_WIRE)
@given(
    name=st.sampled_from(sorted(METADATA)),
    value=st.text(max_size=80)
    | _JSON.map(json.dumps)
    | st.fixed_dictionaries({"center": _JSON, "scale": _JSON}).map(json.dumps),
)
def test_hostile_metadata(gateway: Gateway, name: str, value: str) -> None:
    latents = LatentFile(GOOD.levels, METADATA | {name: value})
    for data in (latents.to_safetensors(), latents.to_npz()):
        gateway.ask("POST", "/resample?keep_level=2&seed=1", content=data)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_DEFLATED, pytest.param(zipfile.ZIP_BZIP2, marks=pytest.mark.slow)]
)
def test_bombs_do_not_go_off(gateway: Gateway, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("level1.npy", bytes(300 * 2**20))
    data = bytearray(buffer.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    assert gateway.ask("POST", "/decode", content=bytes(data)).status_code == 422


def test_huge_headers_and_directories(gateway: Gateway) -> None:
    names = ",".join(f'"a{i}":0' for i in range(200_000)).encode()
    header = struct.pack("<Q", len(names) + 2) + b"{" + names + b"}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(30_000):
            archive.writestr(f"a{i}", b"")
    for data in (header, buffer.getvalue()):
        assert gateway.ask("POST", "/decode", content=data).status_code == 422
