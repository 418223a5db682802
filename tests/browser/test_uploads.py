"""Meshes that are dropped on the page."""

from __future__ import annotations

from pathlib import Path

import trimesh

from tests.browser.chrome import Page
from tests.browser.studio import HASH, SHOWN, generate, says, text_of, until_seen
from tests.service.gateway.fakeworker import FakeWorker


async def test_an_upload_is_compared_with_what_became_of_it(
    studio: Page, worker: FakeWorker, tmp_path: Path
) -> None:
    file = tmp_path / "box.obj"
    trimesh.creation.box().export(file)
    await studio.choose_file("#encode [name=file]", file)
    await studio.until(SHOWN)
    assert worker.seen[-1].operation == "encode"
    assert await studio.run(says("facts", "Chamfer"))
    assert await studio.run(f"{text_of('recipe')}.includes('@box.obj')")
    await studio.until("!document.getElementById('compare').hidden")
    result = await studio.pixels("#view")
    await studio.click("#compare label:last-child")
    await until_seen(studio, result, like=False, by=20)
    await generate(studio)
    await studio.until("document.getElementById('compare').hidden")


async def test_a_file_that_is_no_mesh_is_told_at_its_field(studio: Page, tmp_path: Path) -> None:
    (file := tmp_path / "notes.txt").write_text("no mesh at all")
    await studio.choose_file("#encode [name=file]", file)
    await studio.until("!document.getElementById('notice').hidden")
    assert await studio.run(f"{text_of('notice')}.length") > 20


async def test_a_file_that_cannot_be_read_is_told(studio: Page, tmp_path: Path) -> None:
    (file := tmp_path / "folder").write_text("as if it were one")
    gone = "() => Promise.reject(new DOMException('gone', 'NotFoundError'))"
    await studio.run(f"Blob.prototype.arrayBuffer = {gone}, 0")
    await studio.choose_file("#encode [name=file]", file)
    await studio.until(says("notice", "folder cannot be read."))
    assert await studio.run("document.getElementById('progress').hidden")
    assert await studio.run("!document.querySelector('#generate .primary').disabled")


async def test_the_service_decides_about_a_file_that_is_broken(
    studio: Page, tmp_path: Path
) -> None:
    whole = trimesh.creation.box().export(file_type="glb")
    assert isinstance(whole, bytes)
    (file := tmp_path / "box.glb").write_bytes(whole.replace(b'{"', b"{!", 1))
    await studio.run("""(() => {
        const fetch = window.fetch;
        window.sent = [];
        window.fetch = (url, options) => (window.sent.push(String(url)), fetch(url, options));
    })()""")
    await studio.choose_file("#encode [name=file]", file)
    await studio.until("!document.getElementById('notice').hidden")
    assert await studio.run("window.sent.some(url => url.includes('/encode?'))")


async def test_an_answer_that_comes_late_does_not_take_the_page_over(
    studio: Page, worker: FakeWorker
) -> None:
    shape = await generate(studio)
    await studio.run("""(() => {
        const fetch = window.fetch;
        const late = new Promise(resolve => (window.release = resolve));
        window.fetch = async (url, options = {}) => {
            const response = await fetch(url, options);
            if (options.method === 'POST') await late;
            return response;
        };
    })()""")
    worker.open.clear()
    await studio.click("#generate .primary")
    await studio.until("!document.getElementById('progress').hidden")
    await studio.run("location.hash = '', 0")
    await studio.until("document.body.classList.contains('empty')")
    await studio.run(f"location.hash = {shape!r}, 0")
    await studio.until(SHOWN)
    await studio.run("window.release(), 0")
    await studio.until(says("notice", "What you asked for before goes on."))
    assert await studio.run(HASH) == shape
    assert await studio.run("document.getElementById('progress').hidden")
    await studio.click("#notice a")
    await studio.until(says("progress", "Finding the surface"))
    worker.open.set()
    await studio.until(f"{SHOWN} && {HASH} !== {shape!r}")
