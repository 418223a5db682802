"""The generated stubs in service/pb are those of protos/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STUBS = ("lagem_pb2.py", "lagem_pb2.pyi", "lagem_pb2_grpc.py")


def test_the_committed_stubs_are_what_make_proto_writes(repo_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc"]
    command += [f"-Iservice/pb={repo_root / 'protos/lagem/v1'}"]
    command += [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([*command, "service/pb/lagem.proto"], check=True)
    for name in STUBS:
        fresh = (tmp_path / "service" / "pb" / name).read_text()
        committed = (repo_root / "service" / "pb" / name).read_text()
        assert fresh == committed, f"service/pb/{name} is stale: run make proto"
