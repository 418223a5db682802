"""The web page and its files, over HTTP; what it does in a browser is in tests/browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from setuptools.dist import Distribution

from service.gateway.routes.page import assets
from service.settings import GatewaySettings
from tests.service.gateway.conftest import running_gateway

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "service" / "gateway" / "page"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.js"))
NAMESPACE = "http://www.w3.org/2000/svg"


class Markup(HTMLParser):
    """All tags of a document, and the text within scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture
def markup() -> Markup:
    return Markup((FOLDER / "index.html").read_text())


async def test_the_root_is_the_page(client: httpx.AsyncClient) -> None:
    for path in ("/", "/v1/"):
        response = await client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "<title>lagem</title>" in response.text
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_nothing_foreign_or_inline_may_run(client: httpx.AsyncClient) -> None:
    for path in ("/", "/page/studio.js", "/page/icon.svg"):
        headers = (await client.get(path)).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy.pop("require-trusted-types-for") == "'script'"
        assert set(policy.values()) == {"'none'", "'self'"}
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_page_has_nothing_inline(markup: Markup) -> None:
    assert markup.inline == ""
    for tag, attributes in markup.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag


@pytest.mark.parametrize("name", sorted(assets()))
def test_no_file_names_another_host(name: str) -> None:
    text = (FOLDER / name).read_text().replace(NAMESPACE, "")
    assert re.findall(r"(?:https?:|wss?:|['\"(=]\s*)//", text) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup_of_text(name: str) -> None:
    words = "innerHTML|outerHTML|insertAdjacentHTML|document.write|DOMParser|eval|new Function"
    assert re.search(words, (FOLDER / name).read_text()) is None


def referenced() -> Iterator[str]:
    for _, attributes in Markup((FOLDER / "index.html").read_text()).tags:
        for value in (attributes.get("src"), attributes.get("href")):
            if value and value.startswith("page/"):
                yield value.removeprefix("page/")
    for name in SCRIPTS:
        yield from re.findall(r'from "\./([^"]+)"', (FOLDER / name).read_text())


async def test_every_file_that_is_named_is_served_and_no_other(client: httpx.AsyncClient) -> None:
    names = set(referenced())
    assert names | {"index.html"} == set(assets()) == {path.name for path in FOLDER.iterdir()}
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for name in names:
        response = await client.get(f"/page/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == types[name.split(".")[1]]
        assert response.content == (FOLDER / name).read_bytes()


def test_every_element_that_scripts_look_for_is_there(markup: Markup) -> None:
    ids = [attributes["id"] for _, attributes in markup.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name in SCRIPTS:
        wanted = re.findall(r'byId\("([^"]+)"\)', (FOLDER / name).read_text())
        assert set(wanted) <= set(ids), name


def test_every_field_has_a_label(markup: Markup) -> None:
    text = (FOLDER / "index.html").read_text()
    labelled = re.findall(r"<label.*?</label>", text, re.DOTALL)
    fields = [tag for tag, _ in markup.tags if tag in ("input", "select", "textarea")]
    assert len(fields) == sum(len(re.findall(r"<(?:input|select)", label)) for label in labelled)


async def test_browsers_may_keep_files_but_ask(client: httpx.AsyncClient) -> None:
    first = await client.get("/page/style.css")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        again = await client.get("/page/style.css", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    other = await client.get("/page/style.css", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["none.js", "..%2froutes%2fpage.py", "%2e%2e/app.py", ".", ""])
async def test_no_other_file_can_be_had(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/page/{name}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_the_page_asks_for_no_key(keyed_url: str) -> None:
    async with httpx.AsyncClient(base_url=keyed_url) as stranger:
        for path in ("/", "/page/studio.js", "/v1/page/style.css"):
            assert (await stranger.get(path)).status_code == 200, path
        for path in ("/models", "/page/none.js/../../models", "/pages"):
            assert (await stranger.get(path)).status_code == 401, path


@pytest.fixture
def keyed_url(settings: GatewaySettings, redis: Redis) -> Iterator[str]:
    fields = {name: getattr(settings, name) for name in settings.model_fields_set}
    with running_gateway(GatewaySettings(**fields, api_keys="a-key")) as url:
        yield url


def test_a_wheel_has_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    distribution.include_package_data = False  # what package-data names, not what git knows
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    packed = {
        (Path(source) / name).resolve()
        for _, source, _, names in command.data_files
        for name in names
    }
    assert set(FOLDER.iterdir()) <= packed
