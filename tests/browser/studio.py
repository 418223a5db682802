"""The page as tests use it."""

from __future__ import annotations

import asyncio

import numpy as np

from tests.browser.chrome import Page

SHOWN = (
    "location.hash.startsWith('#shp_') && document.getElementById('progress').hidden"
    " && document.getElementById('view').dataset.shape === location.hash.slice(1)"
)


HASH = "location.hash.slice(1)"


def text_of(name: str) -> str:
    return f"document.getElementById({name!r}).innerText"


def says(name: str, words: str) -> str:
    return f"{text_of(name)}.includes({words!r})"


async def open_page(page: Page, url: str) -> None:
    await page.open(url)
    await page.until("document.querySelectorAll('#categories label').length > 1")


async def generate(page: Page, **fields: str) -> str:
    """The id of the first shape."""
    for name, value in fields.items():
        await page.type(f"#generate [name={name}]", value)
    before = await page.run(HASH)
    await page.click("#generate .primary")
    await page.until(f"{SHOWN} && {HASH} !== {before!r}")
    return str(await page.run(HASH))


async def until_seen(
    page: Page, picture: np.ndarray, *, like: bool, by: int, edge: int = 0
) -> None:
    """Wait until no colour of the view differs from a picture by so much, or until one does."""
    async with asyncio.timeout(60):
        while True:
            differences = abs(picture - await page.pixels("#view"))
            inner = differences[
                edge : differences.shape[0] - edge, edge : differences.shape[1] - edge
            ]
            if (inner.max() < by) == like:
                return
            await asyncio.sleep(0.05)


async def has_a_shape(page: Page) -> bool:
    """Whether the middle of the stage differs from its upper corners, as a ball on it does."""
    pixels = await page.pixels("#view")
    height, width, _ = pixels.shape
    middle = pixels[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20]
    corner = pixels[height // 2 - 20 : height // 2 + 20, :20]
    return bool(abs(middle.mean((0, 1)) - corner.mean((0, 1))).max() > 25)
