"""Links to shapes and jobs, and what the page makes of them."""

from __future__ import annotations

import httpx

from tests.browser.chrome import Page, tab
from tests.browser.studio import HASH, SHOWN, generate, has_a_shape, open_page, says, text_of
from tests.service.gateway.fakeworker import FakeWorker


async def test_a_link_opens_its_shape(
    studio: Page, chromium: int, gateway_url: str, worker: FakeWorker
) -> None:
    await generate(studio, seed="7")
    await studio.type("#resample [name=n]", "2")
    await studio.click("#resample button[value='2']")
    await studio.until("document.querySelectorAll('#strip a').length === 3")
    await studio.until(SHOWN)
    shape = await studio.run(HASH)
    async with tab(chromium) as other:
        await open_page(other, f"{gateway_url}/#{shape}")
        await other.until(SHOWN)
        assert await has_a_shape(other)
        assert await other.run(text_of("shape-id")) == shape
        await other.until("document.querySelectorAll('#strip a').length === 3")
        assert (await other.run(text_of("descent"))).startswith("Variant, same levels 3 and 2")


async def test_a_link_to_a_job_follows_it(
    page: Page, gateway_url: str, client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job = (await client.post("/generate", headers={"Prefer": "respond-async"})).json()["id"]
    await open_page(page, f"{gateway_url}/#{job}")
    await page.until(says("progress", "Finding the surface"))
    worker.open.set()
    await page.until(SHOWN)


async def test_a_job_that_was_canceled_elsewhere_says_so(
    studio: Page, client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.open.clear()
    job = (await client.post("/generate", headers={"Prefer": "respond-async"})).json()["id"]
    await client.delete(f"/jobs/{job}")
    await studio.run(f"location.hash = {job!r}")
    await studio.until(says("notice", "The job was canceled."))
    assert await studio.run("document.body.classList.contains('empty')")


async def test_a_link_that_leads_nowhere_says_so_and_shows_nothing_else(studio: Page) -> None:
    shape = await generate(studio)
    for address in ("shp_00000000000000000000000000", "job_00000000000000000000000000"):
        await studio.run(f"location.hash = {address!r}")
        await studio.until(says("notice", address))
        assert not await studio.run(says("notice", "expires_at"))
        assert await studio.run("document.body.classList.contains('empty')")
        assert not await studio.run("document.getElementById('shape').checkVisibility()")
        assert await studio.run("document.title") == "lagem"
        assert await studio.run(HASH) == address
        await studio.run("history.back()")
        await studio.until(f"{HASH} === {shape!r} && {SHOWN}")
        assert await studio.run("document.getElementById('shape').checkVisibility()")


async def test_a_mesh_that_cannot_be_had_leaves_no_other_in_its_place(studio: Page) -> None:
    await generate(studio, n="2")
    await studio.until("document.querySelectorAll('#strip canvas.drawn').length === 2")
    await studio.run("""(() => {
        const fetch = window.fetch;
        window.fetch = (url, options) => String(url).includes('/mesh')
            ? Promise.resolve(new Response('{"detail": "No mesh."}', {status: 500}))
            : fetch(url, options);
    })()""")
    await studio.run("""import('./page/library.js').then(({Library}) => {
        const {mesh} = Library.prototype;
        Library.prototype.mesh = function (shape) {
            this.meshes.clear();
            return mesh.call(this, shape);
        };
    })""")
    await studio.click("#strip a:nth-child(2)")
    await studio.until(says("notice", "No mesh."))
    assert not await has_a_shape(studio)
    assert await studio.run(f"{text_of('shape-id')} === {HASH}")


async def test_an_address_that_is_broken_is_told(
    page: Page, gateway_url: str, worker: object
) -> None:
    await page.open(f"{gateway_url}/#%")
    await page.until(says("notice", "This address names no shape."))
    assert await page.run("document.body.classList.contains('empty')")
