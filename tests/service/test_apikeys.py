"""API keys: made, hashed, read from the settings."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from service.apikeys import ApiKey, check_name, new_key, parse_keys
from service.settings import GatewaySettings

HASH = hashlib.sha256(b"secret").hexdigest()


def test_a_key_and_its_line_belong_together() -> None:
    key = new_key()
    record = ApiKey.of(key, "studio")
    assert parse_keys(record.line) == (record,)
    assert record.opens(hashlib.sha256(key.encode()).hexdigest())
    assert not record.opens(HASH)
    assert key not in record.line
    assert new_key() != key


def test_plain_keys_are_kept_as_hashes_under_a_name_of_their_own() -> None:
    (key,) = parse_keys("secret")
    assert key == ApiKey(f"key-{HASH[:12]}", HASH)


@pytest.mark.parametrize("text", ["a,b", "a b", " a,\n b, ", "a,,b"])
def test_commas_and_spaces_separate(text: str) -> None:
    assert parse_keys(text) == (ApiKey.of("a"), ApiKey.of("b"))


@pytest.mark.parametrize("text", ["", " ", ","])
def test_no_keys(text: str) -> None:
    assert parse_keys(text) == ()


def test_hashes_may_be_in_capitals() -> None:
    assert parse_keys(f"studio:sha256:{HASH.upper()}") == (ApiKey("studio", HASH),)


@pytest.mark.parametrize(
    "entry",
    [
        "studio:hunter2",
        f"studio:md5:{HASH}",
        f"studio:sha256:{HASH[:-1]}",
        "sha256:hunter2",
        "hünter2",
    ],
)
def test_a_wrong_entry_is_told_by_its_place_alone(entry: str) -> None:
    with pytest.raises(ValueError, match="entry 2 of the API keys") as caught:
        parse_keys(f"first,{entry}")
    assert "nter2" not in str(caught.value)
    assert "lagem key" in str(caught.value)


@pytest.mark.parametrize("name", ["", "Studio", "a b", "a:b", "-a", "x" * 64, "anonymous"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a key"):
        check_name(name)


def test_settings_keep_no_plain_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", f"hunter2 studio:sha256:{HASH}")
    settings = GatewaySettings.from_environment()
    assert [key.name for key in settings.api_keys][1] == "studio"
    assert "hunter2" not in settings.model_dump_json()
    assert HASH not in repr(settings)


def test_a_wrong_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", "me:hunter2")
    with pytest.raises(ValidationError) as caught:
        GatewaySettings.from_environment()
    assert "entry 1 of the API keys" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "rate", "per_minute"),
    [((), None, 0), ((), 7, 7), ("secret", None, 120), ("secret", 0, 0), ("secret", 7, 7)],
)
def test_the_rate_is_limited_where_there_are_keys(
    keys: object, rate: int | None, per_minute: int
) -> None:
    limits = GatewaySettings.from_environment(api_keys=keys, rate=rate, tenant_cap=3).caller_limits
    assert (limits.per_minute, limits.live_jobs) == (per_minute, 3)


@pytest.mark.parametrize(
    ("host", "fields", "unguarded"),
    [
        ("0.0.0.0", {}, True),
        ("", {}, True),
        ("0.0.0.0", {"api_keys": "secret"}, False),
        ("0.0.0.0", {"insecure": True}, False),
        ("127.0.0.1", {}, False),
    ],
)
def test_open_addresses_need_keys_or_a_word(
    host: str, fields: dict[str, object], unguarded: bool
) -> None:
    assert GatewaySettings.from_environment(host=host, **fields).unguarded is unguarded


def test_origins_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    origins = GatewaySettings.from_environment().cors_origins
    assert origins == ("https://a.example", "http://localhost:3000")
    for wrong in ("*", "a.example", "https://a.example/page"):
        monkeypatch.setenv("LAGEM_CORS_ORIGINS", wrong)
        with pytest.raises(ValidationError, match="cors_origins"):
            GatewaySettings.from_environment()
