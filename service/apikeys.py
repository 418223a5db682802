"""API keys, as a deployment keeps them: a name and a hash, never the key itself.

A key is 32 random bytes, so that one round of SHA-256 is hash enough: there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

SAFE_LENGTH = 16
"""Characters that a plain key should have: fewer could be guessed, by trying or from its hash."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCHEME = "sha256"
_WAY_OUT = "`lagem key NAME` makes a key and its line"
_RESERVED = "anonymous"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key that opens the service.

    Attributes:
        name: of whoever has it: jobs and shapes belong to the name, which may have several keys.
        sha256: of the key, as lower-case hexadecimal digits.
        short: whether it was given plain, with fewer characters than ``SAFE_LENGTH``.
    """

    name: str
    sha256: str
    short: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, key: str, name: str | None = None) -> "ApiKey":
        """The record of a key; without a name it is called by the first digits of its hash."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        return cls(name or f"key-{digest[:12]}", digest, short=len(key) < SAFE_LENGTH)

    @property
    def line(self) -> str:
        """The key's entry in ``LAGEM_API_KEYS``."""
        return f"{self.name}:{_SCHEME}:{self.sha256}"

    def opens(self, sha256: str) -> bool:
        """Whether this is the hash of a presented key; takes as long whatever the answer is."""
        return hmac.compare_digest(self.sha256, sha256)


def new_key() -> str:
    """A key that nobody can guess."""
    return f"lagem_{secrets.token_urlsafe(32)}"


def check_name(name: str) -> str:
    """``name``, if a key can be called that.

    Raises:
        ValueError: it cannot; says why, and what can be.
    """
    if not _NAME.fullmatch(name) or name == _RESERVED:
        raise ValueError(
            f"{name!r} is no name of a key: use up to 63 of a-z 0-9 _ . -, a letter or digit"
            f" first, and not {_RESERVED!r}"
        )
    return name


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """The entries of ``LAGEM_API_KEYS``, separated by commas or white space.

    Each is ``<name>:sha256:<hash>``, or a plain key, of which only the hash is
    kept.

    Raises:
        ValueError: an entry is neither. Tells which by its place: an entry may be secret.
    """
    keys = []
    for number, entry in enumerate(re.split(r"[,\s]+", text.strip(" ,\t\r\n")), start=1):
        if entry:
            keys.append(_parsed(entry, f"entry {number} of the API keys"))
    return tuple(keys)


def warning_of_short_keys(keys: Iterable[ApiKey]) -> str | None:
    """What to tell an operator whose keys could be guessed; None where all are long enough."""
    short = ", ".join(key.name for key in keys if key.short)
    if not short:
        return None
    return f"keys of fewer than {SAFE_LENGTH} characters can be guessed ({short}): {_WAY_OUT}"


def _parsed(entry: str, place: str) -> ApiKey:
    name, colon, hashed = entry.partition(":")
    if not colon:
        if not (entry.isascii() and entry.isprintable()):
            raise ValueError(f"{place} has other characters than ASCII's: {_WAY_OUT}")
        return ApiKey.of(entry)
    scheme, _, digest = hashed.partition(":")
    if scheme != _SCHEME or not _SHA256.fullmatch(digest.lower()):
        raise ValueError(
            f"{place} is neither a plain key (which has no colon) nor"
            f" <name>:{_SCHEME}:<64 hexadecimal digits>: {_WAY_OUT}"
        )
    return ApiKey(check_name(name), digest.lower())
