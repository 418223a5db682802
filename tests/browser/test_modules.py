"""The page's modules by themselves, in a browser."""

from __future__ import annotations

import ast
import base64
import json
import shlex
from typing import Any

import pytest
import trimesh

from model.geometry.mesh import export_mesh
from tests.browser.chrome import Page

PLY = b"""ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
0 0 0
1 0 0
0 1 0
3 0 1 2
"""
HARMFUL = """x"); import os; os.system("id")#$(id)`id`'; id\n"""


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
        whole.replace(b'{"', b"{!", 1),
        whole.replace(b'"count":', b'"byteStride":0,"count":4', 1),
        b"OFF\n4000000000 1 0\n0 0 0\n",
        b"OFF\n3 4000000000 0\n0 0 0 1 0 0 0 1 0 3 0 1 2\n",
        b"OFF\n3 2 0\n0 0 0 1 0 0 0 1 0 3 0 1 2 9 0\n",
        b"v 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        PLY.replace(b"vertex 3", b"vertex 4000000000"),
        PLY.replace(b"vertex 3", b"vertex 4"),
        PLY.replace(b"3 0 1 2", b"4000000000 0 1 2"),
        PLY.replace(b"element", b"element nothing 4000000000\nelement", 1),
    ):
        assert await read(modules, data) is None, data[:40]


async def test_a_mesh_after_a_long_comment_is_read(modules: Page) -> None:
    mesh = trimesh.creation.box().export(file_type="obj")
    assert isinstance(mesh, str)
    data = "".join(f"# line {n} of a comment\n" for n in range(40)) + mesh
    found = await read(modules, data.encode())
    assert found is not None
    assert found[:2] == [8, 12]
    ball = await read(modules, PLY)
    assert ball is not None
    assert ball[:2] == [3, 1]


async def lines(page: Page, shape: dict[str, Any], name: str = "mesh.glb") -> tuple[str, str]:
    """The lines for curl and for Python; a variant keeps level 3."""
    levels = {"1": {"sha256": "a"}, "2": {"sha256": "b"}, "3": {"sha256": "c"}}
    whole = {"seed": 7, "category": None, "parents": [], "latents": levels} | shape
    whole["mesh"] = {"resolution": 64}
    found: list[str] = await page.run(f"""
        import('./page/recipe.js').then(({{curlOf, pythonOf}}) =>
            [curlOf, pythonOf].map(of => of({json.dumps(whole)}, 3, {json.dumps(name)}, false)))""")
    return found[0], found[1]


@pytest.mark.parametrize("operation", ["generate", "resample", "encode"])
async def test_no_word_of_a_shape_becomes_code(modules: Page, operation: str) -> None:
    shape = {"operation": operation, "category": HARMFUL, "parents": ["shp_a"]}
    curl, python = await lines(modules, shape, HARMFUL)
    words = shlex.split(curl.replace("\\\n", ""))
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[-2:] == ["-o", "x-import-os-os-system-id-id-id-id-7.glb"]
    assert words.count("@" + HARMFUL) == (operation == "encode")
    _, block = ast.parse(python).body
    assert isinstance(block, ast.With)
    made, exported = block.body
    assert isinstance(made, ast.Assign)
    assert isinstance(made.value, ast.Call)
    told = {keyword.arg: ast.literal_eval(keyword.value) for keyword in made.value.keywords}
    if operation == "encode":
        assert ast.literal_eval(made.value.args[0]) == HARMFUL
    else:
        assert told["category"] == HARMFUL
    assert ast.unparse(exported) == f"shape.mesh.export({words[-1]!r})"


@pytest.mark.parametrize("category", ["$(id)", "../..", "-", "Ünï", "ta ble"])
async def test_files_get_plain_names(modules: Page, category: str) -> None:
    curl, _ = await lines(modules, {"operation": "generate", "category": category})
    name = shlex.split(curl.replace("\\\n", ""))[-1]
    assert set(name.removesuffix("-7.glb")) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert name[0] != "-"


async def test_lines_tell_all_that_is_known_of_the_request(modules: Page) -> None:
    shape = {"operation": "resample", "category": "table", "parents": ["shp_a"]}
    shape["input"] = {"steps": 5, "guidance": 2.5}
    curl, python = await lines(modules, shape)
    for part in ("shape=shp_a", "keep_level=3", "category=table", "steps=5", "guidance=2.5"):
        assert part in curl
    assert '"shp_a", category="table", keep_level=3, seed=7, steps=5, guidance=2.5' in python


@pytest.mark.parametrize(
    ("operation", "kept", "has_lines"),
    [
        ("generate", "null", True),
        ("encode", "null", True),
        ("resample", "2", True),
        ("resample", "null", False),
        ("decode", "null", False),
        ("decode", "3", False),
    ],
)
async def test_what_no_request_makes_again_has_a_sentence_instead(
    modules: Page, operation: str, kept: str, has_lines: bool
) -> None:
    why = await modules.run(f"""
        import('./page/recipe.js').then(({{whyNoRecipe}}) =>
            whyNoRecipe({{operation: {operation!r}}}, {kept}))""")
    assert (why is None) == has_lines


@pytest.mark.parametrize(
    ("event", "told", "asked"),
    [
        ('event: error\ndata: {"error": {"detail": "The job was canceled."}}', "canceled", 2),
        ('event: error\ndata: {"error": {"detail": "No memory."}}', "No memory.", 2),
        ('event: done\ndata: {"error": null}', "not there yet", 3),
    ],
)
async def test_a_file_that_is_not_made_is_not_asked_for_without_end(
    modules: Page, event: str, told: str, asked: int
) -> None:
    found = await modules.run(f"""
        import('./page/api.js').then(async ({{Api}}) => {{
            let asked = 0;
            window.fetch = async (url) => {{
                if (++asked > 9) throw new DOMException('enough', 'AbortError');
                if (String(url).includes('/events')) return new Response({event + chr(10) * 2!r});
                return new Response('{{"id": "job_x"}}', {{status: 202}});
            }};
            const problem = await new Api(() => false).file('shapes/shp_a/mesh').catch(e => e);
            return [problem.detail, asked];
        }})""")
    assert told in found[0]
    assert found[1] == asked


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


async def test_time_left_is_counted_down_between_what_is_told(modules: Page) -> None:
    said = await modules.run("""
        import('./page/progress.js').then(({Progress}) => {
            let [now, tick] = [0, null];
            performance.now = () => now;
            window.setInterval = (act) => ((tick = act), 1);
            window.clearInterval = () => (tick = null);
            const text = document.getElementById('progress-time');
            const progress = new Progress();
            const show = (state, eta_s) =>
                progress.show({state, eta_s, operation: 'generate', input: {}, progress: 0});
            const after = (seconds) => ((now += seconds * 1000), tick(), text.textContent);
            show('queued', 26);
            const said = [after(0), after(5), after(30)];
            show('queued', 0.4);
            said.push(after(0));
            show('running', 200);
            said.push(after(0), after(150), after(60));
            show('running', null);
            said.push(after(9));
            progress.hide();
            return [...said, tick];
        })""")
    queued = ["about 26 s left", "about 21 s left", "soon", "soon"]
    assert said == [*queued, "about 3 min left", "about 50 s left", "a moment left", "", None]
