"""The environment: read, checked, and refused when mistyped."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import (
    CLIENT_VARIABLES,
    GatewaySettings,
    UnknownVariableError,
    WorkerSettings,
    default_data_dir,
    variable_names,
)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variable_names():
        monkeypatch.delenv(name, raising=False)


def test_variables_and_flags_set_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_PORT", "9000")
    monkeypatch.setenv("LAGEM_HOST", "127.0.0.2")
    settings = GatewaySettings.from_environment(host="127.0.0.3")
    assert (settings.port, settings.host) == (9000, "127.0.0.3")


def test_an_unknown_variable_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_PRT", "9000")
    with pytest.raises(UnknownVariableError) as caught:
        GatewaySettings.from_environment()
    assert "LAGEM_PRT (did you mean LAGEM_PORT?)" in str(caught.value)
    assert "LAGEM_WEIGHTS" in str(caught.value)


@pytest.mark.parametrize("name", CLIENT_VARIABLES)
def test_the_client_s_variables_are_told_from_mistakes(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert name not in variable_names()
    monkeypatch.setenv(name, "x")
    with pytest.raises(UnknownVariableError, match=f"{name} .it is the Python client's"):
        GatewaySettings.from_environment()


def test_another_processs_variable_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_PORT", "9000")
    monkeypatch.setenv("LAGEM_WEIGHTS", "/models/paper")
    GatewaySettings.from_environment()
    assert WorkerSettings.from_environment().weights == Path("/models/paper")


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        GatewaySettings.from_environment(prot=1)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("QUEUE_CAP", "0"), ("WAIT_S", "61")]
)
def test_values_out_of_range_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LAGEM_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        GatewaySettings.from_environment()


def test_a_lease_needs_two_beats() -> None:
    with pytest.raises(ValidationError, match="beat_s"):
        WorkerSettings.from_environment(lease_s=6.0, beat_s=5.0)


def test_the_queue_limits_are_those_of_the_settings() -> None:
    limits = GatewaySettings.from_environment(
        queue_cap=7,
        tenant_cap=3,
        lease_s=1.5,
        job_retention_s=90,
        max_attempts=2,
        retry_pause_s=0.5,
    ).queue_limits
    assert (limits.queue_cap, limits.tenant_cap, limits.max_attempts) == (7, 3, 2)
    assert (limits.lease_ms, limits.job_retention_ms) == (1500, 90_000)
    assert limits.retry_pause_ms == 500


def test_data_go_to_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_data_dir() == Path("/state/lagem")
    assert GatewaySettings.from_environment().blob_dir == Path("/state/lagem/blobs")


def test_every_setting_says_what_it_is_for() -> None:
    for model in (GatewaySettings, WorkerSettings):
        assert all(field.description for field in model.model_fields.values())
