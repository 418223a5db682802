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


async def test_a_link_that_leads_nowhere_says_so(studio: Page, gateway_url: str) -> None:
    await studio.run("location.hash = '#shp_00000000000000000000000000'")
    await studio.until("!document.getElementById('notice').hidden")
    assert await studio.run("document.body.classList.contains('empty')")


async def test_an_address_that_is_broken_is_told(
    page: Page, gateway_url: str, worker: object
) -> None:
    await page.open(f"{gateway_url}/#%")
    await page.until(says("notice", "This address names no shape."))
    assert await page.run("document.body.classList.contains('empty')")
