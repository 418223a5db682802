"""The page's modules by themselves, in a browser."""

from __future__ import annotations

import base64
import json

import pytest
import trimesh

from model.geometry.mesh import export_mesh
from tests.browser.chrome import Page


@pytest.fixture
async def modules(page: Page, gateway_url: str, worker: object) -> Page:
    await page.open(gateway_url)
    await page.until("document.querySelectorAll('#categories label').length > 1")
    return page


def bytes_of(data: bytes) -> str:
    """An expression that is an ArrayBuffer."""
    text = base64.b64encode(data).decode()
    return f"Uint8Array.from(atob({text!r}), c => c.charCodeAt(0)).buffer"


async def read(page: Page, data: bytes) -> list[object] | None:
    """Numbers of vertices and faces, centre and radius; None where the file is not read."""
    value: list[object] | None = await page.run(f"""
        import('./page/meshfile.js').then(({{readMeshFile}}) => {{
            const mesh = readMeshFile({bytes_of(data)});
            return mesh && [mesh.positions.length / 3, mesh.indices.length / 3,
                mesh.center.map(x => Math.round(x * 1e4) / 1e4),
                Math.round(mesh.radius * 1e4) / 1e4];
        }})""")
    return value


@pytest.mark.parametrize("kind", ["glb", "obj", "ply", "stl", "off", "stl_ascii", "ascii ply"])
async def test_uploads_are_read(modules: Page, kind: str) -> None:
    mesh = trimesh.creation.box((1, 2, 3)).apply_translation((4, 5, 6))
    if kind == "ascii ply":
        data = mesh.export(file_type="ply", encoding="ascii")
    else:
        data = mesh.export(file_type=kind)
    found = await read(modules, data.encode() if isinstance(data, str) else data)
    corners = 36 if kind.startswith("stl") else 8
    assert found == [corners, 12, [4, 5, 6], round(14**0.5 / 2, 4)]


async def test_what_the_service_writes_is_read(modules: Page) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    assert await read(modules, export_mesh(ball, "glb")) == [642, 1280, [0, 0, 0], 1.7321]


async def test_nodes_of_a_glb_place_their_meshes(modules: Page) -> None:
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(1.5707963, (0, 0, 1))
    scene.add_geometry(trimesh.creation.box((1, 2, 3)), transform=turn)
    moved = trimesh.transformations.translation_matrix((0, 0, 10))
    scene.add_geometry(trimesh.creation.box((2, 1, 3)), transform=moved)
    found = await read(modules, scene.export(file_type="glb"))
    assert found == [16, 24, [0, 0, 5], round((2**2 + 1 + 13**2) ** 0.5 / 2, 4)]


async def test_broken_files_are_not_read(modules: Page) -> None:
    whole = export_mesh(trimesh.creation.icosphere(), "glb")
    text = whole.replace(b'"count":', b'"c0unt":')
    for data in (
        b"",
        b"glTF",
        whole[:-100],
        whole[:30],
        text,
        b"ply\nend_header\n",
        b"OFF\n1 1 0\n",
    ):
        assert await read(modules, data) is None, data[:40]


async def test_broken_streams_go_on_where_they_were(modules: Page) -> None:
    first = 'retry: 5\n\nevent: status\nid: 3\ndata: {"state":\ndata: "running"}\n\n: ping\n\nev'
    second = 'event: done\r\nid: 9\r\ndata: {"seed": 18446744073709551615}\r\n\r\n'
    asked = await modules.run(f"""
        import('./page/api.js').then(async ({{Api}}) => {{
            const asked = [];
            const answers = {json.dumps([first, second])};
            window.fetch = async (url, {{headers}}) => {{
                asked.push(headers['Last-Event-ID'] ?? null);
                if (asked.length === 2) throw new TypeError('unreachable');
                const text = answers.shift();
                const halves = [text.slice(0, 20), text.slice(20)];
                return new Response(new ReadableStream({{
                    pull(controller) {{
                        const half = halves.shift();
                        if (half) controller.enqueue(new TextEncoder().encode(half));
                        else if (answers.length) controller.error(new TypeError('cut'));
                        else controller.close();
                    }}
                }}));
            }};
            const events = [];
            for await (const event of new Api(() => false).events('job_x')) events.push(event);
            return [asked, events];
        }})""")
    assert asked[0] == [None, "3", "3"]
    assert asked[1] == [
        {"kind": "status", "data": {"state": "running"}},
        {"kind": "done", "data": {"seed": "18446744073709551615"}},
    ]
