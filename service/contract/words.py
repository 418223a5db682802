"""Names and numbers that requests and results share."""

from typing import Literal

SEED_MODULUS = 2**64
"""Sample ``i`` of a job has the seed ``(seed + i) % SEED_MODULUS``."""

MOST_EXHAUSTIVE_CELLS = 512**3
"""Cells that a request may have asked at every sample, all of its shapes together."""

MAX_WAIT_S = 60
"""Longest time that ``Prefer: wait=N`` may ask for."""

IDEMPOTENCY_KEY_LENGTH = 255
"""Most characters of an idempotency key."""

MeshFormat = Literal["glb", "obj", "ply", "stl"]
LatentsFormat = Literal["safetensors", "npz"]
Space = Literal["input", "normalized"]
StateName = Literal["queued", "running", "succeeded", "failed", "canceled"]
OperationName = Literal["encode", "generate", "resample", "decode"]
