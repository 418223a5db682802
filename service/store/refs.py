"""Names of blobs, for all processes; each kind has its own top folder, since each lives as long."""

INPUTS = "inputs"
"""What jobs start from: points or latents; of no use once the job has ended."""

LATENTS = "latents"
"""The lasting result."""

MESHES = "meshes"
"""A cache: any mesh can be made again from its latents."""


def points_ref(job_id: str) -> str:
    """The point cloud of an encode job: ``.npy``, (8192, 3) float32, canonical frame."""
    return f"{INPUTS}/{job_id}.npy"


def input_latents_ref(job_id: str) -> str:
    """Latents that came with a resample or decode request: ``.safetensors``."""
    return f"{INPUTS}/{job_id}.safetensors"


def latents_ref(shape_id: str) -> str:
    """The latents of a shape: ``.safetensors``."""
    return f"{LATENTS}/{shape_id}.safetensors"


def preview_ref(job_id: str, attempt: int, sample: int, resolution: int) -> str:
    """A mesh to look at while a job goes on: ``.glb``."""
    return f"{MESHES}/{job_id}/{attempt}-{sample}-{resolution}.glb"


def mesh_ref(
    shape_id: str,
    *,
    resolution: int,
    target_faces: int | None,
    exhaustive: bool,
    space: str,
    format: str,  # noqa: A002
) -> str:
    """One mesh of a shape; the name holds everything that the bytes depend on."""
    faces = "" if target_faces is None else f"-{target_faces}"
    every = "-exhaustive" if exhaustive else ""
    return f"{MESHES}/{shape_id}/{resolution}{faces}{every}-{space}.{format}"
