"""The web page, used as people use it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import trimesh

from service.errors import OutOfMemory
from service.jobqueue.queue import JobQueue
from service.settings import GatewaySettings
from service.store.local import LocalBlobStore
from tests.browser.chrome import NO_WEBGL, Page, running_chromium, tab
from tests.browser.studio import (
    HASH,
    SHOWN,
    generate,
    has_a_shape,
    open_page,
    says,
    text_of,
    until_seen,
)
from tests.service.gateway.conftest import running_gateway
from tests.service.gateway.fakeworker import MODEL, FakeWorker

KEY = "a-key-of-this-server"


async def test_a_shape_is_made_before_ones_eyes(studio: Page, worker: FakeWorker) -> None:
    assert await studio.run("document.body.classList.contains('empty')")
    worker.open.clear()
    await studio.click("#categories label:nth-child(2)")
    await studio.type("#generate [name=seed]", "7")
    await studio.click("#generate .primary")
    await studio.until(says("progress", "Finding the surface"))
    assert await studio.run("document.getElementById('progress-bar').value") == 0.5
    assert await studio.run(says("announcement", "Finding the surface"))
    assert (await studio.run(HASH)).startswith("job_")
    assert not await has_a_shape(studio)
    await worker.show(worker.seen[0], 33)
    await studio.until("document.getElementById('view').dataset.shape === 'preview'")
    assert await has_a_shape(studio)
    worker.open.set()
    await studio.until(SHOWN)
    assert await has_a_shape(studio)
    assert worker.seen[0].params["category"] == "chair"
    facts = await studio.run(text_of("facts"))
    assert await studio.run(says("shape-title", "Chair"))
    assert {"80", "42", "yes", "7"} <= set(facts.split())  # faces, vertices, watertight, seed


async def test_a_job_can_be_canceled(studio: Page, worker: FakeWorker) -> None:
    worker.open.clear()
    await studio.click("#generate .primary")
    await studio.until(says("progress", "Finding the surface"))
    await studio.click("#cancel")
    await studio.until("document.getElementById('progress').hidden")
    await studio.until(says("announcement", "Canceled."))
    assert await studio.run(HASH) == ""
    assert await studio.run("document.body.classList.contains('empty')")
    assert await studio.run("!document.querySelector('#generate .primary').disabled")


async def test_after_a_canceled_job_the_shape_before_is_back(
    studio: Page, worker: FakeWorker
) -> None:
    shape = await generate(studio)
    worker.open.clear()
    await studio.click("#resample button[value='2']")
    await studio.until(says("progress", "Finding the surface"))
    await studio.click("#cancel")
    await studio.until(f"{HASH} === {shape!r} && document.getElementById('progress').hidden")
    assert await has_a_shape(studio)


async def test_a_job_that_fails_says_why_and_what_to_do(studio: Page, worker: FakeWorker) -> None:
    ways = "Use a lower resolution. Others: GET /models."
    worker.failure = OutOfMemory("No memory is left.", suggestion=ways)
    await studio.click("#generate .primary")
    await studio.until(says("notice", "No memory is left."))
    assert await studio.run(says("notice", "Use a lower resolution."))
    assert not await studio.run(says("notice", "GET"))  # which nobody can who is here
    await studio.click("#notice button")
    await studio.until("document.getElementById('notice').hidden")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("n", "99", "At most 16."), ("seed", "minus one", "A whole number.")],
)
async def test_a_field_out_of_its_range_tells_it(
    studio: Page, field: str, value: str, words: str
) -> None:
    await studio.type(f"#generate [name={field}]", value)
    await studio.click("#generate .primary")
    await studio.until("document.querySelector('.wrong') !== null")
    wrong = f"document.querySelector('#generate [name={field}]')"
    assert await studio.run(f"{wrong}.getAttribute('aria-invalid')") == "true"
    assert await studio.run(f"document.activeElement === {wrong}")
    described = f"document.getElementById({wrong}.getAttribute('aria-describedby')).textContent"
    assert await studio.run(described) == words
    assert await studio.run("document.getElementById('notice').hidden")
    await generate(studio, **{field: "3"})
    assert await studio.run("document.querySelector('.wrong, [aria-invalid]') === null")


async def test_variants_stand_beside_their_parent(studio: Page, worker: FakeWorker) -> None:
    parent = await generate(studio, seed="7")
    await studio.type("#resample [name=n]", "3")
    await studio.click("#resample button[value='3']")
    await studio.until(f"{SHOWN} && {HASH} !== {parent!r}")
    assert worker.seen[-1].params["keep_level"] == 3
    cards = "[...document.querySelectorAll('#strip a')]"
    assert await studio.run(f"{cards}[0].hash") == f"#{parent}"
    captions = await studio.run(f"{cards}.map(card => card.innerText.trim())")
    assert captions == ["parent", *["0.020 apart"] * 3]
    assert await studio.run(text_of("descent")) == "Variant, same level 3, 0.020 from its parent"
    await studio.until("document.querySelectorAll('#strip canvas.drawn').length === 4")
    await studio.click("#strip a:last-child")
    third = await studio.run(f"{cards}.at(-1).hash.slice(1)")
    await studio.until(f"{HASH} === {third!r} && {SHOWN}")
    assert await studio.run("document.querySelector('#strip [aria-current]').hash") == f"#{third}"
    await studio.until(f"document.querySelector('#tree [aria-current]').hash === '#{third}'")
    assert await studio.run("document.querySelectorAll('#tree a').length") == 4
    await studio.click("#trail a:first-child")
    await studio.until(f"{HASH} === {parent!r} && {SHOWN}")


async def test_a_parent_that_is_opened_is_drawn_before_its_variants(
    studio: Page, chromium: int, gateway_url: str, worker: FakeWorker
) -> None:
    parent = await generate(studio, seed="7")
    await studio.type("#resample [name=n]", "3")
    await studio.click("#resample button[value='3']")
    await studio.until("document.querySelectorAll('#strip canvas.drawn').length === 4")
    async with tab(chromium) as other:
        await open_page(other, f"{gateway_url}/#{parent}")
        await other.until("document.querySelectorAll('#strip canvas.drawn').length === 4")
        assert (await other.pixels("#strip a:first-child canvas")).std() > 5
    async with tab(chromium) as other:
        held = f"""(() => {{
            const fetched = fetch;
            const held = (url) => url.includes("/mesh") && !url.includes({parent!r});
            window.fetch = (url, options) =>
                held(String(url)) ? new Promise(() => {{}}) : fetched(url, options);
        }})()"""
        await other.send("Page.addScriptToEvaluateOnNewDocument", source=held)
        await open_page(other, f"{gateway_url}/#{parent}")
        await other.until("document.querySelector('#strip a:first-child canvas.drawn') !== null")


async def test_variants_of_variants_keep_what_was_asked(studio: Page, worker: FakeWorker) -> None:
    await generate(studio)
    await studio.type("#resample [name=n]", "1")
    for value in ("3", "2"):
        before = await studio.run(HASH)
        await studio.click(f"#resample button[value='{value}']")
        await studio.until(f"{SHOWN} && {HASH} !== {before!r}")
    assert worker.seen[-1].params["parents"] == [before]
    assert (await studio.run(text_of("descent"))).startswith("Variant, same levels 3 and 2")
    await studio.until("document.querySelectorAll('#trail a').length === 3")


async def test_several_shapes_can_be_leafed_through(studio: Page) -> None:
    first = await generate(studio, n="3")
    await studio.until("document.querySelectorAll('#strip canvas.drawn').length === 3")
    await studio.click("#strip a:nth-child(2)")
    await studio.until(f"{SHOWN} && {HASH} !== {first!r}")
    await studio.run("history.back()")
    await studio.until(f"{SHOWN} && {HASH} === {first!r}")


async def test_meshes_are_turned_by_mouse_and_keyboard(studio: Page) -> None:
    await studio.look(1280, 800, still=True)
    await generate(studio)
    first = await studio.pixels("#view")
    await studio.drag("#view", 120, 40)
    await until_seen(studio, first, like=False, by=20)
    await studio.run("document.getElementById('view').focus()")
    await studio.press("0")
    await until_seen(studio, first, like=True, by=8, edge=5)
    for key in ("ArrowLeft", "+", "ArrowUp"):
        before = await studio.pixels("#view")
        await studio.press(key)
        await until_seen(studio, before, like=False, by=8)
    await studio.click("#wireframe")
    assert await studio.run("document.getElementById('wireframe').ariaPressed") == "true"
    await until_seen(studio, first, like=False, by=20)


async def test_a_variant_of_what_is_gone_has_no_lines(studio: Page, gateway_url: str) -> None:
    parent = await generate(studio)
    await studio.click("#resample button[value='2']")
    await studio.until(f"{SHOWN} && {HASH} !== {parent!r}")
    variant = await studio.run(HASH)
    assert await studio.run(says("recipe", "keep_level=2"))
    gone = f"""(() => {{
        const fetch = window.fetch;
        window.fetch = (url, options) => String(url).endsWith('/shapes/{parent}')
            ? Promise.resolve(new Response('{{}}', {{status: 404}})) : fetch(url, options);
    }})()"""
    await studio.send("Page.addScriptToEvaluateOnNewDocument", source=gone)
    await studio.open(f"{gateway_url}/#{variant}")
    await studio.until(says("recipe", "There are no lines for this shape"))
    assert await studio.run("document.getElementById('copy').hidden")


@pytest.fixture
def keyed_url(settings: GatewaySettings, worker: FakeWorker) -> Iterator[str]:
    fields = {name: getattr(settings, name) for name in settings.model_fields_set}
    with running_gateway(GatewaySettings(**fields, api_keys=KEY)) as url:
        yield url


async def test_a_key_is_asked_for_and_kept_in_the_tab(
    page: Page, chromium: int, keyed_url: str
) -> None:
    await page.open(keyed_url)
    for key in ("wrong", KEY):
        await page.until("document.getElementById('key-dialog').open")
        await page.type("#key-form [name=key]", key)
        await page.click("#key-form .primary")
        await page.until(f"sessionStorage.getItem('lagem-key') === {key!r}")
    await page.until("document.querySelectorAll('#categories label').length > 1")
    shape = await generate(page)
    assert await has_a_shape(page)
    assert await page.run(f"{text_of('recipe')}.includes('$LAGEM_API_KEY')")
    assert KEY not in await page.run("document.documentElement.outerHTML")
    await page.open(f"{keyed_url}/#{shape}")
    await page.until(SHOWN)  # and was not asked again
    async with tab(chromium) as other:
        await other.open(f"{keyed_url}/#{shape}")
        await other.until("document.getElementById('key-dialog').open")
    await page.click("#forget-key")
    await page.until("document.getElementById('key-dialog').open")
    assert await page.run("sessionStorage.length") == 0
    await page.click("#key-later")
    await page.until(says("notice", "asks for an API key"))


async def test_the_copied_command_makes_the_shape(studio: Page, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl")
    await generate(studio, seed="18446744073709551615")
    assert await studio.run(says("facts", "18446744073709551615"))
    command = await studio.run("document.getElementById('recipe').textContent")
    assert "category=table" in command
    assert "seed=18446744073709551615" in command
    run = subprocess.run
    await asyncio.to_thread(run, ["sh", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    file = tmp_path / "table-18446744073709551615.glb"
    assert len(trimesh.load_mesh(file).faces) == 80
    await studio.click(".recipe label:last-child")
    await studio.until(says("recipe", "seed=18446744073709551615"))
    compile(await studio.run("document.getElementById('recipe').textContent"), "page", "exec")


@pytest.mark.parametrize("kind", ["GLB", "STL", "Latents"])
async def test_files_are_downloaded(studio: Page, tmp_path: Path, kind: str) -> None:
    shape = await generate(studio)
    await studio.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    links = "[...document.querySelectorAll('#downloads a')]"
    await studio.run(f"{links}.find(link => link.innerText === {kind!r}).click()")
    suffix = {"Latents": "safetensors"}.get(kind, kind.lower())
    file = tmp_path / f"{shape}.{suffix}"
    async with asyncio.timeout(60):
        while not file.exists():  # noqa: ASYNC110 - the browser tells of nothing
            await asyncio.sleep(0.05)
    assert file.stat().st_size > 500
    assert await studio.run("document.getElementById('notice').hidden")


async def test_without_webgl_all_but_the_picture_works(
    gateway_url: str, worker: FakeWorker, tmp_path: Path
) -> None:
    with running_chromium(*NO_WEBGL) as port:
        async with tab(port) as page:
            await open_page(page, gateway_url)
            assert await page.run(says("no-webgl", "no WebGL"))
            await page.click("#generate .primary")
            await page.until(f"{HASH}.startsWith('shp_') && {says('facts', '80')}")
            assert await page.run("document.querySelectorAll('#downloads a').length") == 5
            assert page.thrown == []


async def test_what_the_deployment_cannot_do_is_not_offered(
    page: Page, gateway_url: str, own_queue: JobQueue, blobs: LocalBlobStore
) -> None:
    model = MODEL | {"can": ["encode", "decode"], "categories": []}
    async with FakeWorker(own_queue, blobs, model):
        await page.open(gateway_url)
        await page.until(says("generate", "The loaded model cannot generate."))
        assert await page.run("document.querySelector('#generate .primary').disabled")
        assert not await page.run("document.querySelector('#encode input').disabled")


async def test_a_page_without_a_worker_waits_for_one(
    page: Page, client: httpx.AsyncClient, gateway_url: str, own_queue: JobQueue
) -> None:
    await page.open(gateway_url)
    await page.until(says("model", "Waiting for a worker"))
    assert await page.run("document.querySelector('#generate .primary').disabled")


@pytest.mark.parametrize("width", [360, 1024, 1600])
async def test_nothing_is_cut_off(studio: Page, width: int) -> None:
    await studio.look(width, 740)
    await generate(studio, n="2")
    long = "document.querySelector('#categories label:last-child span')"
    await studio.run(f"{long}.textContent = 'W'.repeat(64)")
    await studio.run("document.getElementById('shape-title').textContent = 'W'.repeat(64)")
    assert await studio.run("document.documentElement.scrollWidth") == width
    left_out = """[...document.querySelectorAll(
        'main button, main input, main select, main pre, .chips label, #shape-title')]
        .filter(found => found.checkVisibility())
        .filter(found => found.getBoundingClientRect().right > innerWidth + 1
            || found.matches('.chips label, #shape-title')
                && found.scrollWidth > found.parentElement.clientWidth + 1)
        .map(found => found.outerHTML)"""
    assert await studio.run(left_out) == []


async def test_all_that_can_be_used_has_a_name(studio: Page) -> None:
    await generate(studio, n="2")
    await studio.until("document.querySelectorAll('#strip a').length === 2")
    await studio.send("Accessibility.enable")
    nodes = (await studio.send("Accessibility.getFullAXTree"))["nodes"]
    used = {"button", "link", "radio", "textbox", "spinbutton", "combobox", "application"}
    seen = [node for node in nodes if node.get("role", {}).get("value") in used]
    assert {node["role"]["value"] for node in seen} >= used - {"link"}
    assert [node for node in seen if not node.get("name", {}).get("value")] == []


async def test_dark_and_light_differ(studio: Page) -> None:
    await studio.look(1280, 800, dark=True)
    assert np.mean(await studio.pixels("body")) < 80
    await studio.look(1280, 800)
    assert np.mean(await studio.pixels("body")) > 200
