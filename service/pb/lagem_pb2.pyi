import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELED: _ClassVar[JobState]

class MeshFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MESH_FORMAT_UNSPECIFIED: _ClassVar[MeshFormat]
    MESH_FORMAT_GLB: _ClassVar[MeshFormat]
    MESH_FORMAT_OBJ: _ClassVar[MeshFormat]
    MESH_FORMAT_PLY: _ClassVar[MeshFormat]
    MESH_FORMAT_STL: _ClassVar[MeshFormat]

class LatentsFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATENTS_FORMAT_UNSPECIFIED: _ClassVar[LatentsFormat]
    LATENTS_FORMAT_SAFETENSORS: _ClassVar[LatentsFormat]
    LATENTS_FORMAT_NPZ: _ClassVar[LatentsFormat]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_STATUS: _ClassVar[EventKind]
    EVENT_KIND_PROGRESS: _ClassVar[EventKind]
    EVENT_KIND_ARTIFACT: _ClassVar[EventKind]
    EVENT_KIND_DONE: _ClassVar[EventKind]
    EVENT_KIND_ERROR: _ClassVar[EventKind]

class Space(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPACE_UNSPECIFIED: _ClassVar[Space]
    SPACE_INPUT: _ClassVar[Space]
    SPACE_NORMALIZED: _ClassVar[Space]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELED: JobState
MESH_FORMAT_UNSPECIFIED: MeshFormat
MESH_FORMAT_GLB: MeshFormat
MESH_FORMAT_OBJ: MeshFormat
MESH_FORMAT_PLY: MeshFormat
MESH_FORMAT_STL: MeshFormat
LATENTS_FORMAT_UNSPECIFIED: LatentsFormat
LATENTS_FORMAT_SAFETENSORS: LatentsFormat
LATENTS_FORMAT_NPZ: LatentsFormat
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_STATUS: EventKind
EVENT_KIND_PROGRESS: EventKind
EVENT_KIND_ARTIFACT: EventKind
EVENT_KIND_DONE: EventKind
EVENT_KIND_ERROR: EventKind
SPACE_UNSPECIFIED: Space
SPACE_INPUT: Space
SPACE_NORMALIZED: Space

class MeshOptions(_message.Message):
    __slots__ = ("resolution", "format", "target_faces", "space", "exhaustive")
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FACES_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTIVE_FIELD_NUMBER: _ClassVar[int]
    resolution: int
    format: MeshFormat
    target_faces: int
    space: Space
    exhaustive: bool
    def __init__(self, resolution: _Optional[int] = ..., format: _Optional[_Union[MeshFormat, str]] = ..., target_faces: _Optional[int] = ..., space: _Optional[_Union[Space, str]] = ..., exhaustive: bool = ...) -> None: ...

class SamplingOptions(_message.Message):
    __slots__ = ("seed", "n", "steps", "guidance")
    SEED_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    seed: int
    n: int
    steps: int
    guidance: float
    def __init__(self, seed: _Optional[int] = ..., n: _Optional[int] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ...) -> None: ...

class EncodeOptions(_message.Message):
    __slots__ = ("filename", "mesh", "wait_s")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    filename: str
    mesh: MeshOptions
    wait_s: int
    def __init__(self, filename: _Optional[str] = ..., mesh: _Optional[_Union[MeshOptions, _Mapping]] = ..., wait_s: _Optional[int] = ...) -> None: ...

class EncodeRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: EncodeOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[EncodeOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("category", "sampling", "mesh", "wait_s")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    category: str
    sampling: SamplingOptions
    mesh: MeshOptions
    wait_s: int
    def __init__(self, category: _Optional[str] = ..., sampling: _Optional[_Union[SamplingOptions, _Mapping]] = ..., mesh: _Optional[_Union[MeshOptions, _Mapping]] = ..., wait_s: _Optional[int] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ResampleRequest(_message.Message):
    __slots__ = ("shape", "latents", "keep_level", "sampling", "mesh", "any_weights", "category", "wait_s")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    KEEP_LEVEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    ANY_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    shape: str
    latents: bytes
    keep_level: int
    sampling: SamplingOptions
    mesh: MeshOptions
    any_weights: bool
    category: str
    wait_s: int
    def __init__(self, shape: _Optional[str] = ..., latents: _Optional[bytes] = ..., keep_level: _Optional[int] = ..., sampling: _Optional[_Union[SamplingOptions, _Mapping]] = ..., mesh: _Optional[_Union[MeshOptions, _Mapping]] = ..., any_weights: bool = ..., category: _Optional[str] = ..., wait_s: _Optional[int] = ...) -> None: ...

class ResampleResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class LevelMix(_message.Message):
    __slots__ = ("level3", "level2", "level1")
    LEVEL3_FIELD_NUMBER: _ClassVar[int]
    LEVEL2_FIELD_NUMBER: _ClassVar[int]
    LEVEL1_FIELD_NUMBER: _ClassVar[int]
    level3: str
    level2: str
    level1: str
    def __init__(self, level3: _Optional[str] = ..., level2: _Optional[str] = ..., level1: _Optional[str] = ...) -> None: ...

class DecodeRequest(_message.Message):
    __slots__ = ("shape", "latents", "mix", "mesh", "any_weights", "wait_s")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    MIX_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    ANY_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    shape: str
    latents: bytes
    mix: LevelMix
    mesh: MeshOptions
    any_weights: bool
    wait_s: int
    def __init__(self, shape: _Optional[str] = ..., latents: _Optional[bytes] = ..., mix: _Optional[_Union[LevelMix, _Mapping]] = ..., mesh: _Optional[_Union[MeshOptions, _Mapping]] = ..., any_weights: bool = ..., wait_s: _Optional[int] = ...) -> None: ...

class DecodeResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("after", "limit", "ascending", "state")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    ascending: bool
    state: JobState
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ..., ascending: bool = ..., state: _Optional[_Union[JobState, str]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("id", "after")
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    id: str
    after: int
    def __init__(self, id: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("job", "artifact", "chunk", "seq", "kind")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    job: Job
    artifact: Artifact
    chunk: bytes
    seq: int
    kind: EventKind
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ..., chunk: _Optional[bytes] = ..., seq: _Optional[int] = ..., kind: _Optional[_Union[EventKind, str]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("job", "sample", "resolution", "format", "bytes", "faces", "vertices", "shape", "final")
    JOB_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    VERTICES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    job: str
    sample: int
    resolution: int
    format: MeshFormat
    bytes: int
    faces: int
    vertices: int
    shape: str
    final: bool
    def __init__(self, job: _Optional[str] = ..., sample: _Optional[int] = ..., resolution: _Optional[int] = ..., format: _Optional[_Union[MeshFormat, str]] = ..., bytes: _Optional[int] = ..., faces: _Optional[int] = ..., vertices: _Optional[int] = ..., shape: _Optional[str] = ..., final: bool = ...) -> None: ...

class GetMeshRequest(_message.Message):
    __slots__ = ("shape", "mesh", "wait_s")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    shape: str
    mesh: MeshOptions
    wait_s: int
    def __init__(self, shape: _Optional[str] = ..., mesh: _Optional[_Union[MeshOptions, _Mapping]] = ..., wait_s: _Optional[int] = ...) -> None: ...

class GetMeshResponse(_message.Message):
    __slots__ = ("chunk", "job")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    job: Job
    def __init__(self, chunk: _Optional[bytes] = ..., job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetLatentsRequest(_message.Message):
    __slots__ = ("shape", "format")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    shape: str
    format: LatentsFormat
    def __init__(self, shape: _Optional[str] = ..., format: _Optional[_Union[LatentsFormat, str]] = ...) -> None: ...

class GetLatentsResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class GetShapeRequest(_message.Message):
    __slots__ = ("shape",)
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    shape: str
    def __init__(self, shape: _Optional[str] = ...) -> None: ...

class GetShapeResponse(_message.Message):
    __slots__ = ("shape", "operation", "model", "created_at")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    shape: Shape
    operation: str
    model: ModelRef
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, shape: _Optional[_Union[Shape, _Mapping]] = ..., operation: _Optional[str] = ..., model: _Optional[_Union[ModelRef, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTreeRequest(_message.Message):
    __slots__ = ("shape",)
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    shape: str
    def __init__(self, shape: _Optional[str] = ...) -> None: ...

class GetTreeResponse(_message.Message):
    __slots__ = ("parents", "children", "nodes", "truncated", "children_count")
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_COUNT_FIELD_NUMBER: _ClassVar[int]
    parents: _containers.RepeatedScalarFieldContainer[str]
    children: _containers.RepeatedScalarFieldContainer[str]
    nodes: _containers.RepeatedCompositeFieldContainer[LineageNode]
    truncated: bool
    children_count: int
    def __init__(self, parents: _Optional[_Iterable[str]] = ..., children: _Optional[_Iterable[str]] = ..., nodes: _Optional[_Iterable[_Union[LineageNode, _Mapping]]] = ..., truncated: bool = ..., children_count: _Optional[int] = ...) -> None: ...

class LineageNode(_message.Message):
    __slots__ = ("id", "expired", "operation", "seed", "category", "parents", "children", "children_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    expired: bool
    operation: str
    seed: int
    category: str
    parents: _containers.RepeatedScalarFieldContainer[str]
    children: _containers.RepeatedScalarFieldContainer[str]
    children_count: int
    def __init__(self, id: _Optional[str] = ..., expired: bool = ..., operation: _Optional[str] = ..., seed: _Optional[int] = ..., category: _Optional[str] = ..., parents: _Optional[_Iterable[str]] = ..., children: _Optional[_Iterable[str]] = ..., children_count: _Optional[int] = ...) -> None: ...

class ListCategoriesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCategoriesResponse(_message.Message):
    __slots__ = ("categories",)
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedCompositeFieldContainer[Category]
    def __init__(self, categories: _Optional[_Iterable[_Union[Category, _Mapping]]] = ...) -> None: ...

class Category(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("name", "version", "licence", "weights_sha256", "levels", "categories", "can", "defaults")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    CAN_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    licence: str
    weights_sha256: str
    levels: _containers.RepeatedCompositeFieldContainer[LevelShape]
    categories: _containers.RepeatedScalarFieldContainer[str]
    can: _containers.RepeatedScalarFieldContainer[str]
    defaults: SamplingDefaults
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., licence: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., levels: _Optional[_Iterable[_Union[LevelShape, _Mapping]]] = ..., categories: _Optional[_Iterable[str]] = ..., can: _Optional[_Iterable[str]] = ..., defaults: _Optional[_Union[SamplingDefaults, _Mapping]] = ...) -> None: ...

class SamplingDefaults(_message.Message):
    __slots__ = ("resolution", "steps", "guidance")
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    resolution: int
    steps: int
    guidance: float
    def __init__(self, resolution: _Optional[int] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ...) -> None: ...

class LevelShape(_message.Message):
    __slots__ = ("level", "tokens", "channels")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    level: int
    tokens: int
    channels: int
    def __init__(self, level: _Optional[int] = ..., tokens: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "operation", "state", "stage", "progress", "queue_position", "created_at", "started_at", "finished_at", "expires_at", "attempts", "shapes", "timings_ms", "error", "input", "model", "eta_s", "cancel_requested")
    class TimingsMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ETA_S_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    id: str
    operation: str
    state: JobState
    stage: str
    progress: float
    queue_position: int
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    attempts: int
    shapes: _containers.RepeatedCompositeFieldContainer[Shape]
    timings_ms: _containers.ScalarMap[str, float]
    error: Error
    input: JobInput
    model: ModelRef
    eta_s: float
    cancel_requested: bool
    def __init__(self, id: _Optional[str] = ..., operation: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., stage: _Optional[str] = ..., progress: _Optional[float] = ..., queue_position: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., shapes: _Optional[_Iterable[_Union[Shape, _Mapping]]] = ..., timings_ms: _Optional[_Mapping[str, float]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., input: _Optional[_Union[JobInput, _Mapping]] = ..., model: _Optional[_Union[ModelRef, _Mapping]] = ..., eta_s: _Optional[float] = ..., cancel_requested: bool = ...) -> None: ...

class JobInput(_message.Message):
    __slots__ = ("category", "seed", "n", "steps", "guidance", "keep_level", "resolution", "format", "target_faces", "exhaustive", "space", "shape", "parents", "normalization", "source")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    KEEP_LEVEL_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FACES_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTIVE_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    category: str
    seed: int
    n: int
    steps: int
    guidance: float
    keep_level: int
    resolution: int
    format: MeshFormat
    target_faces: int
    exhaustive: bool
    space: Space
    shape: str
    parents: _containers.RepeatedScalarFieldContainer[str]
    normalization: Normalization
    source: Upload
    def __init__(self, category: _Optional[str] = ..., seed: _Optional[int] = ..., n: _Optional[int] = ..., steps: _Optional[int] = ..., guidance: _Optional[float] = ..., keep_level: _Optional[int] = ..., resolution: _Optional[int] = ..., format: _Optional[_Union[MeshFormat, str]] = ..., target_faces: _Optional[int] = ..., exhaustive: bool = ..., space: _Optional[_Union[Space, str]] = ..., shape: _Optional[str] = ..., parents: _Optional[_Iterable[str]] = ..., normalization: _Optional[_Union[Normalization, _Mapping]] = ..., source: _Optional[_Union[Upload, _Mapping]] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("filename", "vertices", "faces", "lower", "upper")
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    VERTICES_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    filename: str
    vertices: int
    faces: int
    lower: _containers.RepeatedScalarFieldContainer[float]
    upper: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, filename: _Optional[str] = ..., vertices: _Optional[int] = ..., faces: _Optional[int] = ..., lower: _Optional[_Iterable[float]] = ..., upper: _Optional[_Iterable[float]] = ...) -> None: ...

class ModelRef(_message.Message):
    __slots__ = ("name", "weights_sha256", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    weights_sha256: str
    version: str
    def __init__(self, name: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("id", "seed", "category", "parents", "mesh", "normalization", "metrics", "latents", "reused", "expires_at")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    seed: int
    category: str
    parents: _containers.RepeatedScalarFieldContainer[str]
    mesh: Mesh
    normalization: Normalization
    metrics: _containers.ScalarMap[str, float]
    latents: _containers.RepeatedCompositeFieldContainer[LevelLatents]
    reused: bool
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., seed: _Optional[int] = ..., category: _Optional[str] = ..., parents: _Optional[_Iterable[str]] = ..., mesh: _Optional[_Union[Mesh, _Mapping]] = ..., normalization: _Optional[_Union[Normalization, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., latents: _Optional[_Iterable[_Union[LevelLatents, _Mapping]]] = ..., reused: bool = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LevelLatents(_message.Message):
    __slots__ = ("level", "tokens", "channels", "dtype", "sha256")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    level: int
    tokens: int
    channels: int
    dtype: str
    sha256: str
    def __init__(self, level: _Optional[int] = ..., tokens: _Optional[int] = ..., channels: _Optional[int] = ..., dtype: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Mesh(_message.Message):
    __slots__ = ("format", "bytes", "faces", "vertices", "lower", "upper", "watertight", "components", "resolution", "target_faces", "exhaustive", "space", "boundary_edges", "expires_at")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    VERTICES_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    WATERTIGHT_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FACES_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTIVE_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    BOUNDARY_EDGES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    format: MeshFormat
    bytes: int
    faces: int
    vertices: int
    lower: _containers.RepeatedScalarFieldContainer[float]
    upper: _containers.RepeatedScalarFieldContainer[float]
    watertight: bool
    components: int
    resolution: int
    target_faces: int
    exhaustive: bool
    space: Space
    boundary_edges: int
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, format: _Optional[_Union[MeshFormat, str]] = ..., bytes: _Optional[int] = ..., faces: _Optional[int] = ..., vertices: _Optional[int] = ..., lower: _Optional[_Iterable[float]] = ..., upper: _Optional[_Iterable[float]] = ..., watertight: bool = ..., components: _Optional[int] = ..., resolution: _Optional[int] = ..., target_faces: _Optional[int] = ..., exhaustive: bool = ..., space: _Optional[_Union[Space, str]] = ..., boundary_edges: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Normalization(_message.Message):
    __slots__ = ("center", "scale")
    CENTER_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    center: _containers.RepeatedScalarFieldContainer[float]
    scale: float
    def __init__(self, center: _Optional[_Iterable[float]] = ..., scale: _Optional[float] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "detail", "suggestion", "param", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    PARAM_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    suggestion: str
    param: str
    retryable: bool
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ..., suggestion: _Optional[str] = ..., param: _Optional[str] = ..., retryable: bool = ...) -> None: ...
