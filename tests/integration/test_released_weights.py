"""Converted released weights behind the whole service: they encode and decode, and say what not."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
import trimesh
from click.testing import CliRunner

from model.cli import main
from tests.parity.released_model import random_weights


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A narrow checkpoint in the released layout, converted."""
    official, folder = tmp_path / "official.pth", tmp_path / "weights"
    torch.save({"model": random_weights(64, (16, 32, 64), 1, seed=0)}, official)
    converted = CliRunner().invoke(main, ["convert", str(official), "-o", str(folder)])
    assert converted.exit_code == 0, converted.output
    return folder


@pytest.fixture
def service(weights: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """`lagem serve` of these weights, ready."""
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--grpc-port", "0"]
    command += ["--weights", str(weights), "--data-dir", str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = ""
            for line in process.stdout:
                url = url or (re.findall(r"http://\S+", line) or [""])[0]
                if line.startswith("Ready"):
                    break
            with httpx.Client(base_url=url, timeout=60) as client:
                yield client
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def test_released_weights_encode_and_decode_and_do_not_generate(service: httpx.Client) -> None:
    [model] = service.get("/models").json()["models"]
    assert model["can"] == ["encode", "decode"]
    assert [level["tokens"] for level in model["levels"]] == [128, 512, 2048]
    box = trimesh.creation.box((1.0, 2.0, 3.0)).export(file_type="stl")
    job = service.post("/encode?resolution=32", content=box, headers={"Prefer": "wait=60"}).json()
    assert job["state"] == "succeeded", job
    [shape] = job["shapes"]
    assert [shape["latents"][level]["shape"] for level in "321"] == [
        [128, 64],
        [512, 32],
        [2048, 16],
    ]
    decoded = service.post(f"/decode?shape={shape['id']}&resolution=32").json()
    assert decoded["shapes"][0]["mesh"]["faces"] == shape["mesh"]["faces"]
    for route in ("/generate", f"/resample?shape={shape['id']}&keep_level=3"):
        refused = service.post(route)
        assert (refused.status_code, refused.json()["code"]) == (409, "capability_missing")
        assert "'lagem-released' has no diffusion cascade" in refused.json()["detail"]
