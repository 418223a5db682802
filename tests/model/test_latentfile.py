"""Latents as files: both containers, and what is refused."""

import io
import json
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load, save

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


@pytest.mark.parametrize("container", ["safetensors", "npz"])
def test_equal_latents_make_equal_bytes(latents: LatentFile, container: str) -> None:
    reordered = LatentFile(
        dict(sorted(latents.levels.items())), dict(sorted(METADATA.items(), reverse=True))
    )
    files = {getattr(one, f"to_{container}")() for one in (latents, latents, reordered)}
    assert len(files) == 1


def test_files_keep_text_of_all_alphabets() -> None:
    metadata = {"category": "Schreibtisch für Ça 椅子", "model": 'a"b\\c'}
    file = LatentFile({1: np.ones((1, 3), np.float32)}, metadata).to_safetensors()
    assert LatentFile.from_bytes(file).metadata == metadata
    assert load(file)["level1"].tolist() == [[1.0, 1.0, 1.0]]  # as the library reads it


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


def safetensors_file(header: str, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + data


TENSOR = '"level1": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}'


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (safetensors_file(f"{{{TENSOR}, {TENSOR}}}", bytes(4)), "'level1' is there more than once"),
        (
            safetensors_file(
                '{"level1": {"dtype": "F32", "shape": [18446744073709551615, 0],'
                ' "data_offsets": [0, 0]}}'
            ),
            "level1 is empty",
        ),
        ((2**62).to_bytes(8, "little") + b"{}", "declares a header of 4,611"),
        (safetensors_file("{" + TENSOR + " " * 2**20 + "}", bytes(4)), "declares a header of 1,0"),
        (safetensors_file("[" * 100_000), "no JSON"),
        (safetensors_file("9" * 5000), "no JSON"),
        (safetensors_file("[1, 2]"), "no JSON object"),
        (safetensors_file('{"__metadata__": {"seed": 7}}'), "texts"),
        (safetensors_file('{"__metadata__": [7]}'), "texts"),
    ],
)
def test_a_hostile_safetensors_header_is_refused(data: bytes, cause: str) -> None:
    with pytest.raises(LatentFileError, match=cause):
        LatentFile.from_bytes(data)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': (((, 'shape': (1, 1)}",
        "  {'descr':\n      '<f4'\n   , (((",
        "{'descr': (), 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0x" + "f" * 8000 + ")}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, -0x" + "f" * 8000 + ")}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999999999999999)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904)}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000, 1)}",
    ],
)
def test_a_hostile_npy_header_is_refused(header: str) -> None:
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with pytest.raises(LatentFileError, match="level1"):
        LatentFile.from_npz(npz_with(level1=data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("point", [0x110000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_text_that_is_no_unicode_is_refused(order: str, point: int) -> None:
    text = '{"a": "' + "b" * 20 + '"}'
    points = np.array([ord(character) for character in text], f"{order}u4")
    points[10] = point
    header = {"descr": f"{order}U{len(text)}", "fortran_order": False, "shape": ()}
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, header)
    array = stream.getvalue() + points.tobytes()
    with pytest.raises(LatentFileError, match="not valid Unicode"):
        LatentFile.from_npz(npz_with(metadata=array, level1=npy_of_shape("(4, 2)")))


def test_metadata_that_are_no_text_are_refused() -> None:
    with pytest.raises(LatentFileError, match="one text"):
        LatentFile.from_npz(npz(level1=ONES, metadata=np.array(["{}", "{}"])))
    with pytest.raises(LatentFileError, match="one text"):
        LatentFile.from_npz(npz(level1=ONES, metadata=np.array(7)))


def npz_that_lies(method: int, content: bytes, declared: int) -> bytes:
    """An archive whose only member holds more than its entry in the directory says."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("level1.npy", content)
    data = bytearray(buffer.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = declared.to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_lies_about_its_size_costs_what_it_declares(method: int) -> None:
    data = npz_that_lies(method, bytes(50 * 2**20), declared=1000)
    tracemalloc.start()
    try:
        with pytest.raises(LatentFileError, match="level1"):
            LatentFile.from_npz(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5 * 2**20


def test_an_archive_of_many_members_is_refused_unopened() -> None:
    with pytest.raises(LatentFileError, match="17 members"):
        LatentFile.from_npz(npz_with(**{f"level{i}": npy_of_shape("(4, 2)") for i in range(17)}))


def test_a_level_that_is_there_twice_is_refused() -> None:
    members = {"level1": npy_of_shape("(4, 2)"), "level1.npy": npy_of_shape("(4, 2)")}
    data = npz_with(**members).replace(b"level1.npy.npy", b"level1.npy\0npy")
    with pytest.raises(LatentFileError, match="more than once"):
        LatentFile.from_npz(data)


def test_errors_do_not_quote_the_whole_file() -> None:
    name = b"level1" + b"x" * 60_000
    archive = npz_with(**{name.decode(): b""})
    renamed = archive.replace(name, b"y" * len(name), 1)
    for data in (archive, renamed, safetensors_file(json.dumps({"x" * 60_000: {}}))):
        with pytest.raises(LatentFileError) as caught:
            LatentFile.from_bytes(data)
        assert len(str(caught.value)) < 500
