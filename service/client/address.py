"""Where the server is, and who asks: given, or of the environment."""

import os
from importlib.metadata import version
from typing import Any

import httpx

from service.client.effects import Call

URL_VARIABLE = "LAGEM_URL"
KEY_VARIABLE = "LAGEM_API_KEY"
DEFAULT_URL = "http://localhost:8000"

_CONNECT_S = 10.0
_WRITE_S = 60.0


def http_options(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    """What an httpx client is made with.

    Raises:
        ValueError: the address or the key cannot be one.
    """
    url = base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"base_url must begin with http:// or https://, not {url!r}: {DEFAULT_URL}, for example"
        )
    key = api_key or os.environ.get(KEY_VARIABLE)
    headers = {
        "Accept": "application/json",
        "User-Agent": f"lagem-client/{version('lagem')}",
    }
    if key:
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("api_key must be printable ASCII without spaces: is there a newline?")
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": url, "headers": headers}


def request_options(call: Call) -> dict[str, Any]:
    """What httpx makes a request of."""
    timeout = httpx.Timeout(connect=_CONNECT_S, read=call.read_s, write=_WRITE_S, pool=None)
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params,
        "headers": call.headers,
        "content": call.content,
        "timeout": timeout,
    }
