"""What a process can be told from outside: variables ``LAGEM_<FIELD>``, one model a process.

Every ``LAGEM_*`` variable must be a field of some process; a mistyped one stops the start-up.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.apikeys import ApiKey, parse_keys
from service.jobs import CallerLimits, QueueLimits

PREFIX = "LAGEM_"
CLIENT_VARIABLES = ("LAGEM_API_KEY", "LAGEM_URL")
"""Read by ``service.client``. A server refuses them: each is nearly the name of one it does read,
and a server that took it for that one's absence would run without keys, or on another queue."""
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_MIB = 2**20
_RATE_WITH_KEYS = 120


def default_data_dir() -> Path:
    """The user's state folder: ``$XDG_STATE_HOME/lagem``, by default ``~/.local/state/lagem``."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lagem"


def is_loopback(host: str) -> bool:
    """True where only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


def _names(value: object) -> object:
    return tuple(re.split(r"[,\s]+", value.strip(" ,"))) if isinstance(value, str) else value


ApiKeys = Annotated[tuple[ApiKey, ...], NoDecode, BeforeValidator(_keys)]
"""Hashes as soon as they are read: no plain key stays in the settings."""

Origin = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class Settings(BaseSettings):
    """What gateway and worker must agree on."""

    # What is wrong is told without the value, which may be a key.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    redis_url: str | None = Field(
        default=None, description="Redis or Valkey to use; none: an embedded server in data_dir."
    )
    redis_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="Time for Redis to answer; then a call is a 503, and may be made again.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder for blobs and the embedded server; shared by gateway and workers.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log lines to write."
    )
    queue_cap: int = Field(default=1000, ge=1, description="Live jobs the deployment admits.")
    tenant_cap: int = Field(default=100, ge=1, description="Live jobs one caller may have.")
    lease_s: float = Field(
        default=15.0, gt=0, description="Silence after which a worker's jobs go to others."
    )
    max_attempts: int = Field(
        default=3, ge=1, description="Started attempts before a job is given up."
    )
    retry_pause_s: float = Field(
        default=1.0,
        ge=0,
        description="Pause before the second attempt of a job whose worker failed; doubled before"
        " each further one.",
    )
    job_retention_s: int = Field(
        default=_DAY_S, ge=60, description="How long finished jobs can be looked up."
    )
    mesh_retention_s: int = Field(default=_DAY_S, ge=60, description="How long meshes are cached.")
    latents_retention_s: int = Field(
        default=7 * _DAY_S, ge=60, description="How long shapes and their latents are kept."
    )

    @property
    def blob_dir(self) -> Path:
        """Folder of the local blob store."""
        return self.data_dir / "blobs"

    @property
    def queue_limits(self) -> QueueLimits:
        """The part of the settings that the job queue works by."""
        return QueueLimits(
            queue_cap=self.queue_cap,
            tenant_cap=self.tenant_cap,
            lease_ms=round(self.lease_s * 1000),
            job_retention_ms=self.job_retention_s * 1000,
            max_attempts=self.max_attempts,
            retry_pause_ms=round(self.retry_pause_s * 1000),
        )

    @classmethod
    def from_environment(cls, **overrides: Any) -> Self:
        """Read the environment, after checking that it has no unknown ``LAGEM_*`` variable.

        Args:
            overrides: fields set by command-line flags; they win over the environment.

        Raises:
            UnknownVariableError: a ``LAGEM_*`` variable is no setting of any process.
            pydantic.ValidationError: a value is out of its range or type.
        """
        refuse_unknown_variables(os.environ)
        return cls(**overrides)


class GatewaySettings(Settings):
    """Settings of ``python -m service.gateway``."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    grpc_port: int = Field(
        default=8001, ge=0, le=65535, description="Port of the gRPC server; 0 takes a free one."
    )
    insecure: bool = Field(
        default=False,
        description="Listen on a non-loopback address although nothing asks for a key.",
    )
    api_keys: ApiKeys = Field(
        default=(),
        repr=False,
        description="Keys that callers must have: <name>:sha256:<hash> (of `lagem key`) or plain"
        " ones, separated by commas; none: everybody may call.",
    )
    rate: int | None = Field(
        default=None,
        ge=0,
        description="Submissions a minute for each caller; 0: any number; none: 120 with API keys,"
        " any number without.",
    )
    stream_cap: int = Field(
        default=64,
        ge=1,
        description="Open event streams and uploads of one key, without keys of one address.",
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_names)] = Field(
        default=(),
        description="Origins whose web pages may call, such as https://example.org, separated by"
        " commas.",
    )
    allowed_hosts: Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_names)] = Field(
        default=(),
        description="Host names to answer to beside localhost, separated by commas; read on a"
        " loopback address without API keys.",
    )
    wait_s: float = Field(
        default=30.0, ge=0, le=60, description="How long a submission waits for its job."
    )
    drain_s: float = Field(
        default=20.0, ge=0, description="Time for open calls to end after SIGTERM."
    )
    max_upload_bytes: int = Field(default=64 * _MIB, ge=1, description="Largest request body.")
    upload_timeout_s: float = Field(
        default=300.0, gt=0, description="Time for a request's body to arrive."
    )
    max_faces: int = Field(default=2_000_000, ge=1, description="Most faces of an uploaded mesh.")
    ingest_processes: int = Field(default=2, ge=1, description="Processes that read meshes.")
    parse_timeout_s: float = Field(default=30.0, gt=0, description="Time to read one mesh.")
    parse_memory_bytes: int = Field(
        default=2048 * _MIB, ge=256 * _MIB, description="Memory of one mesh-reading process."
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.port == self.grpc_port != 0:
            raise ValueError(
                f"port and grpc_port are both {self.port}: REST and gRPC need one each"
            )
        return self

    @property
    def caller_limits(self) -> CallerLimits:
        """What each caller may ask for."""
        default = _RATE_WITH_KEYS if self.api_keys else 0
        per_minute = default if self.rate is None else self.rate
        return CallerLimits(per_minute=per_minute, live_jobs=self.tenant_cap)

    @property
    def local_only(self) -> bool:
        """True where only programs of this machine may call, and need no key for it."""
        return is_loopback(self.host) and not self.api_keys

    @property
    def unguarded(self) -> bool:
        """True where anybody on another machine could use the server, and nobody said so."""
        return not (is_loopback(self.host) or self.api_keys or self.insecure)


class WorkerSettings(Settings):
    """Settings of ``python -m service.worker``."""

    weights: Path | None = Field(
        default=None, description="Folder of a checkpoint; none: the bundled starter model."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:<index>.")
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads of the model; none: all cores but one."
    )
    slots: int = Field(default=8, ge=1, description="Most jobs in one batch.")
    batch_cost: float = Field(
        default=8.0, gt=0, description="Cost budget of one batch, in units of one default job."
    )
    beat_s: float = Field(
        default=5.0, gt=0, description="Time between signs of life; well below lease_s."
    )
    worker_drain_s: float = Field(
        default=60.0, ge=0, description="Time for the running batch to end after SIGTERM."
    )
    worker_port: int = Field(
        default=9100, ge=0, le=65535, description="Port of the worker's probes and metrics."
    )

    @model_validator(mode="after")
    def _beats_within_lease(self) -> Self:
        if self.beat_s * 2 > self.lease_s:
            raise ValueError(
                f"beat_s ({self.beat_s:g}) must be at most half of lease_s ({self.lease_s:g}),"
                " else one late beat loses a lease"
            )
        return self


class UnknownVariableError(ValueError):
    """The environment has a ``LAGEM_*`` variable that no process reads."""


def variable_names() -> list[str]:
    """Every environment variable that means something to some process."""
    fields = {*GatewaySettings.model_fields, *WorkerSettings.model_fields}
    return sorted(PREFIX + name.upper() for name in fields)


def refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """Stop a start-up with a mistyped variable.

    Raises:
        UnknownVariableError: names the variables at fault, the nearest valid ones, then all.
    """
    known = variable_names()
    unknown = sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if not unknown:
        return
    hints = [_hint(name, known) for name in unknown]
    raise UnknownVariableError(f"unknown {'; '.join(hints)}. Valid names: {', '.join(known)}")


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1)
    question = f"did you mean {near[0]}?" if near else ""
    if name.upper() in CLIENT_VARIABLES:
        question = (
            f"it is the Python client's: unset it for a server{', or ' if near else ''}{question}"
        )
    return f"{name} ({question})" if question else name
