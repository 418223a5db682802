"""API keys: made, hashed, read from the settings."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from service.apikeys import (
    SAFE_LENGTH,
    ApiKey,
    check_name,
    new_key,
    parse_keys,
    warning_of_short_keys,
)
from service.settings import GatewaySettings

PLAIN = "a-key-of-my-own-making"
HASH = hashlib.sha256(PLAIN.encode()).hexdigest()


def test_a_key_and_its_line_belong_together() -> None:
    key = new_key()
    record = ApiKey.of(key, "studio")
    assert parse_keys(record.line) == (record,)
    assert record.opens(hashlib.sha256(key.encode()).hexdigest())
    assert not record.opens(HASH)
    assert key not in record.line
    assert new_key() != key


def test_plain_keys_are_kept_as_hashes_under_a_name_of_their_own() -> None:
    (key,) = parse_keys(PLAIN)
    assert key == ApiKey(f"key-{HASH[:12]}", HASH)


@pytest.mark.parametrize("text", ["{},{}", "{} {}", " {},\n {}, ", "{},,{}"])
def test_commas_and_spaces_separate(text: str) -> None:
    first, second = "first-key", "second-key"
    assert parse_keys(text.format(first, second)) == (ApiKey.of(first), ApiKey.of(second))


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
        "hünter2-hünter2-hünter2",
    ],
)
def test_a_wrong_entry_is_told_by_its_place_alone(entry: str) -> None:
    with pytest.raises(ValueError, match="entry 2 of the API keys") as caught:
        parse_keys(f"{PLAIN},{entry}")
    assert "nter2" not in str(caught.value)
    assert "lagem key" in str(caught.value)


def test_operators_are_warned_of_short_keys_by_name_alone() -> None:
    keys = parse_keys(f"q,{'q' * SAFE_LENGTH},studio:sha256:{HASH}")
    warning = warning_of_short_keys(keys)
    assert warning is not None
    assert ApiKey.of("q").name in warning
    assert "`lagem key NAME` makes a key" in warning
    assert warning_of_short_keys(keys[1:]) is None


@pytest.mark.parametrize("name", ["", "Studio", "a b", "a:b", "-a", "x" * 64, "anonymous"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a key"):
        check_name(name)


def test_settings_keep_no_plain_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGEM_API_KEYS", f"hunter2-hunter2-hunter2 studio:sha256:{HASH}")
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
    [((), None, 0), ((), 7, 7), (PLAIN, None, 120), (PLAIN, 0, 0), (PLAIN, 7, 7)],
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
        ("0.0.0.0", {"api_keys": PLAIN}, False),
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
