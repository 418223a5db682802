"""The family of a shape."""

from __future__ import annotations

import json

from tests.browser.chrome import Page

LINKS = "[...document.querySelectorAll('#tree a')]"
IN_VIEW = """(() => {
    const [box, own] = ['#tree', '#tree [aria-current]']
        .map(found => document.querySelector(found).getBoundingClientRect());
    return own.height > 0 && own.top >= box.top && own.bottom <= box.bottom
        && own.left >= box.left && own.right <= box.right;
})()"""


def node(name: str, parent: str | None, *children: str, **fields: object) -> dict[str, object]:
    return {
        "id": f"shp_{name}",
        "operation": "resample" if parent else "generate",
        "seed": sum(name.encode()),
        "category": "table",
        "parents": [f"shp_{parent}"] if parent else [],
        "children": [f"shp_{child}" for child in children],
        "children_count": len(children),
    } | fields


async def show(page: Page, current: str, nodes: list[dict[str, object]]) -> None:
    """Draw a family in the panel."""
    own = json.dumps({"id": f"shp_{current}", "nodes": nodes})
    await page.run(f"""import('./page/lineage.js').then(({{Lineage}}) => {{
        for (const id of ['shape', 'family']) document.getElementById(id).hidden = false;
        (window.lineage ??= new Lineage()).show({own}, {own});
    }})""")


async def test_one_of_many_variants_is_in_view_and_the_others_are_unfolded(studio: Page) -> None:
    names = [f"c{i:02}" for i in range(20)]
    nodes = [node("root", None, *names), *(node(name, "root") for name in names)]
    nodes[8] |= {"children": ["shp_x"], "children_count": 3, "seed": "18446744073709551615"}
    await show(studio, "c17", nodes)
    assert await studio.run(IN_VIEW)
    assert await studio.run("document.querySelector('#tree').scrollWidth") <= 330
    hashes = await studio.run(f"{LINKS}.map(link => link.hash.slice(5))")
    assert hashes == ["root", "c15", "c16", "c17", "c18", "c19"]
    button = "document.querySelector('#tree button')"
    assert await studio.run(f"{button}.textContent") == "and 15 more"
    await studio.run(f"{button}.focus()")
    await studio.press("Enter")
    await studio.until(f"{LINKS}.length === 21")
    assert await studio.run("document.activeElement.hash") == "#shp_c00"
    names = await studio.run(f"{LINKS}.map(link => link.ariaLabel)")
    assert names[8] == "Table, seed 18446744073709551615, 3 variants"
    assert await studio.run("document.documentElement.scrollHeight <= innerHeight")
    await show(studio, "c19", nodes)
    assert await studio.run(f"{IN_VIEW} && {LINKS}.length === 21")
    assert await studio.run("document.activeElement.hash") == "#shp_c19"


async def test_a_long_line_of_long_names_stays_in_the_panel(studio: Page) -> None:
    await studio.look(390, 844)
    line = [f"g{i:02}" for i in range(12)]
    nodes = [
        node(name, parent, f"aunt{name}", f"other{name}", *([child] if child else []))
        for parent, name, child in zip([None, *line], line, [*line[1:], None], strict=False)
    ]
    for one in nodes:
        one["category"] = "a" * 64
    nodes[0] = {"id": "shp_g00", "expired": True, "parents": [], "children": []}
    await show(studio, "g11", nodes)
    assert await studio.run(IN_VIEW)
    assert await studio.run("document.documentElement.scrollWidth") == 390
    tree = "document.getElementById('tree')"
    assert await studio.run(f"{tree}.scrollWidth <= {tree}.clientWidth")
    assert (await studio.run(f"{tree}.innerText")).startswith("no longer kept")
