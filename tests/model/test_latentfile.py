"""Latents as files: both containers, and what is refused."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from model.latentfile import LatentFile, LatentFileError

METADATA = {
    "shape": "shp_1",
    "model": "starter",
    "category": "table",
    "seed": "18446744073709551615",
    "normalization": json.dumps({"center": [0.5, -1.0, 0.0], "scale": 2.0}),
}


@pytest.fixture
def latents() -> LatentFile:
    generator = np.random.default_rng(0)
    sizes = {3: (8, 32), 2: (32, 16), 1: (128, 8)}
    return LatentFile(
        {level: generator.standard_normal(size, np.float32) for level, size in sizes.items()},
        METADATA,
    )


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["safetensors", "npz"])
def test_round_trip_is_exact(latents: LatentFile, container: str) -> None:
    data = getattr(latents, f"to_{container}")()
    for read in (getattr(LatentFile, f"from_{container}"), LatentFile.from_bytes):
        back = read(data)
        assert back.metadata == METADATA
        assert back.levels.keys() == latents.levels.keys()
        for level, vectors in latents.levels.items():
            assert back.levels[level].dtype == np.float32
            np.testing.assert_array_equal(back.levels[level], vectors)


def test_files_of_others_need_no_metadata() -> None:
    level = np.ones((4, 2), np.float32)
    assert LatentFile.from_bytes(npz(level1=level)).metadata == {}
    assert LatentFile.from_bytes(save({"level1": level})).metadata == {}


def test_numpy_reads_the_archive(latents: LatentFile) -> None:
    with np.load(io.BytesIO(latents.to_npz()), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["level2"], latents.levels[2])
        assert json.loads(str(archive["metadata"])) == METADATA


ONES = np.ones((4, 2), np.float32)


@pytest.mark.parametrize(
    ("arrays", "cause"),
    [
        ({"level2": ONES}, "without a gap"),
        ({}, "without a gap"),
        ({"level1": ONES, "weights": ONES}, "unknown key 'weights'"),
        ({"level1": ONES.astype(np.float64)}, "expected float32"),
        ({"level1": ONES[None]}, r"expected \(tokens, channels\)"),
        ({"level1": ONES[:0]}, "is empty"),
        ({"level1": ONES * np.float32(np.nan)}, "NaN or infinite"),
        ({"level1": ONES * np.float32(np.inf)}, "NaN or infinite"),
    ],
)
def test_wrong_content_is_named(arrays: dict[str, np.ndarray], cause: str) -> None:
    for data in (npz(**arrays), save(arrays)):
        with pytest.raises(LatentFileError, match=cause):
            LatentFile.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"PK\x03\x04 not really",
        b"\xff" * 64,
        zipped({"level1.npy": b"no array"}),
        pickle.dumps({"level1": ONES}),
        zipped({"level1.npy": b"\x93NUMPY\x09\x00" + b" " * 32}),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(LatentFileError):
        LatentFile.from_bytes(data)


@pytest.mark.parametrize("container", ["safetensors", "npz"])
def test_truncated_files_are_refused(latents: LatentFile, container: str) -> None:
    data: bytes = getattr(latents, f"to_{container}")()
    for length in (9, len(data) // 2, len(data) - 1):
        with pytest.raises(LatentFileError):
            LatentFile.from_bytes(data[:length])


def test_a_zip_bomb_is_not_decompressed() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("level1.npy", bytes(80 * 2**20))
    assert len(buffer.getvalue()) < 2**20
    with pytest.raises(LatentFileError, match="at most"):
        LatentFile.from_npz(buffer.getvalue())


def test_a_header_that_claims_too_much_is_refused() -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)}
    )
    with pytest.raises(LatentFileError, match="declares"):
        LatentFile.from_npz(zipped({"level1.npy": stream.getvalue() + bytes(16)}))


def test_objects_are_never_unpickled() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(LatentFileError):
        LatentFile.from_npz(zipped({"level1.npy": buffer.getvalue()}))


def test_metadata_must_be_texts() -> None:
    with pytest.raises(LatentFileError, match="texts"):
        LatentFile.from_npz(npz(level1=ONES, metadata=np.array('{"seed": 7}')))
    with pytest.raises(LatentFileError, match="not JSON"):
        LatentFile.from_npz(npz(level1=ONES, metadata=np.array("{")))


def npz_with(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy_of_shape(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(32)


@pytest.mark.parametrize(
    "shape", ["(-1,-8)", "(True,8)", "(0,99999999999999999999)", "(" + "-" * 9000 + "1,)"]
)
def test_an_absurd_npy_shape_is_refused(shape: str) -> None:
    with pytest.raises(LatentFileError, match="level3"):
        LatentFile.from_npz(npz_with(level3=npy_of_shape(shape)))


def test_a_damaged_deflate_stream_is_refused() -> None:
    data = bytearray(LatentFile({1: np.ones((64, 64), np.float32)}, {}).to_npz())
    start = data.index(b"level1.npy") + len(b"level1.npy") + 20
    data[start : start + 12] = b"\xff" * 12
    with pytest.raises(LatentFileError):
        LatentFile.from_npz(bytes(data))


@pytest.mark.parametrize("value", ["x" * 1001, "\ud800"])
def test_metadata_that_cannot_be_kept_is_refused(value: str) -> None:
    text = np.array(json.dumps({"shape": value}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, metadata=text, level3=np.ones((4, 4), np.float32))
    with pytest.raises(LatentFileError, match="metadata"):
        LatentFile.from_npz(buffer.getvalue())


def test_deeply_nested_metadata_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, metadata=np.array("[" * 100_000))
    with pytest.raises(LatentFileError, match="not JSON"):
        LatentFile.from_npz(buffer.getvalue())
