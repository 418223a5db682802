"""The documentation's page comes wholly from this server."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx
import pytest

from service.gateway.routes.docs import ASSETS


def loaded_by(text: str) -> list[tuple[str, str, str]]:
    """What a page or a stylesheet makes a browser fetch."""
    return re.findall(
        r"""(?:src|href)="([^"]+)"|url\(["']?([^"')]+)|@import\s+["']([^"']+)""", text
    )


@pytest.mark.parametrize("path", ["/docs", "/v1/docs"])
async def test_the_page_loads_from_this_server_alone(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    found = [urljoin(path, "".join(groups)) for groups in loaded_by(page.text)]
    fetched = {link for link in found if not link.startswith("data:")}
    prefix = path.removesuffix("/docs")
    assert fetched == {f"{path}/{name}" for name in ASSETS} | {f"{prefix}/openapi.json"}
    for link in fetched:
        assert (await client.get(link)).status_code == 200, link


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith(".css")])
async def test_its_styles_load_nothing(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/docs/{name}")
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    found = ["".join(groups) for groups in loaded_by(response.text)]
    assert all(link.startswith(("data:", "#")) for link in found), found


async def test_its_own_files_name_no_host(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/start.js", "/docs/look.css"):
        assert "://" not in (await client.get(path)).text, path


async def test_browsers_are_told_to_load_nothing_else(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/docs")).headers["content-security-policy"]
    rules = {name: rest for name, *rest in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == rules["frame-ancestors"] == ["'none'"]
    allowed = {source for sources in rules.values() for source in sources}
    assert allowed == {"'none'", "'self'", "data:"}
    html = (await client.get("/docs")).text
    assert not re.search(
        r"<script(?! src=)|<style| style=| on\w+=", html
    )  # the policy forbids them


async def test_no_other_file_is_served(client: httpx.AsyncClient) -> None:
    for name in ("index.html", "redoc.standalone.js", "..%2Fapp.py", "%2e%2e"):
        response = await client.get(f"/docs/{name}")
        assert response.status_code == 404, name
    assert (await client.get("/redoc")).status_code == 404


async def test_pages_take_no_parameters(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/openapi.json", "/docs/start.js"):
        response = await client.get(f"{path}?colour=red")
        assert (response.status_code, response.json()["code"]) == (422, "unknown_parameter"), path


async def test_the_document_reads_well(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/jobs"]["get"]["summary"] == "Your jobs, newest first"
    resolution = next(
        each for each in paths["/generate"]["post"]["parameters"] if each["name"] == "resolution"
    )
    assert (
        resolution["schema"].items() >= {"type": "integer", "minimum": 32, "maximum": 512}.items()
    )
