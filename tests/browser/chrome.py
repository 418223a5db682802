"""A headless Chromium, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

EXECUTABLE = shutil.which("chromium") or shutil.which("google-chrome")

_START_TIMEOUT_S = 60.0
_WAIT_S = 20.0
_SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
)
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-3d-apis",)


class Failed(Exception):
    """A script of the page threw."""


class Page:
    """A tab.

    Attributes:
        thrown: errors that scripts did not handle.
        refused: what the console tells of requests and of the policy.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.thrown: list[str] = []
        self.refused: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        async for message in self._socket:
            said = json.loads(message)
            if "id" in said:
                answer = self._answers.pop(said["id"])
                if not answer.done():
                    answer.set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                details = said["params"]["exceptionDetails"]
                thrown = details.get("exception", {}).get("description", "")
                self.thrown.append(f"{details['text']} {thrown}")
            elif said["method"] == "Log.entryAdded":
                entry = said["params"]["entry"]
                if entry["level"] == "error":
                    self.refused.append(f"{entry['text']} {entry.get('url', '')}")

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the protocol."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        said = await asyncio.wait_for(answer, _WAIT_S)
        if "error" in said:
            raise Failed(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    async def run(self, script: str) -> Any:
        """The value of an expression, or of the promise that it is."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = await self.send("Runtime.evaluate", expression=script, **options)
        if "exceptionDetails" in result:
            raise Failed(result["exceptionDetails"]["exception"].get("description", script))
        return result["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression as soon as it is true."""
        end = asyncio.get_running_loop().time() + _WAIT_S
        while asyncio.get_running_loop().time() < end:
            with contextlib.suppress(Failed):  # the page may be about to load
                if value := await self.run(script):
                    return value
            await asyncio.sleep(0.05)
        shown = await self.run("document.body.innerText")
        raise TimeoutError(f"{script} never came true; the page shows:\n{shown}\n{self.thrown}")

    async def open(self, url: str) -> None:
        """Load a page anew, whatever is shown."""
        await self.send("Page.navigate", url="about:blank")
        await self.send("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def click(self, selector: str) -> None:
        """Click in the middle of what a selector finds, as a mouse does."""
        await self.until(f"document.querySelector({selector!r}) !== null")
        script = f"""(() => {{
            const found = document.querySelector({selector!r});
            found.scrollIntoView({{block: 'center'}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = await self.run(script)
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self.send("Input.dispatchMouseEvent", type="mousePressed", **at)
        await self.send("Input.dispatchMouseEvent", type="mouseReleased", **at)

    async def drag(self, selector: str, right: float, down: float) -> None:
        """Drag from the middle of what a selector finds."""
        script = f"""(() => {{
            const box = document.querySelector({selector!r}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = await self.run(script)
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        await self.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        for part in (0.25, 0.5, 0.75, 1.0):
            at = {"x": x + right * part, "y": y + down * part}
            await self.send("Input.dispatchMouseEvent", type="mouseMoved", **at, **button)
        at = {"x": x + right, "y": y + down}
        await self.send("Input.dispatchMouseEvent", type="mouseReleased", **at, **button)

    async def press(self, key: str) -> None:
        """Press a key, where the focus is."""
        text = {"text": "\r", "windowsVirtualKeyCode": 13} if key == "Enter" else {}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, **text)

    async def type(self, selector: str, text: str) -> None:
        """Replace what is in a field."""
        await self.run(f"document.querySelector({selector!r}).select()")
        await self.send("Input.insertText", text=text)

    async def choose_file(self, selector: str, path: Path) -> None:
        """Give a file to an input."""
        root = (await self.send("DOM.getDocument"))["root"]["nodeId"]
        found = await self.send("DOM.querySelector", nodeId=root, selector=selector)
        await self.send("DOM.setFileInputFiles", files=[str(path)], nodeId=found["nodeId"])

    async def look(
        self, width: int, height: int, *, dark: bool = False, still: bool = True
    ) -> None:
        """The size of the window, and what its user prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await self.send("Emulation.setDeviceMetricsOverride", **metrics)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        data: str = (await self.send("Page.captureScreenshot", format="png"))["data"]
        return base64.b64decode(data)

    async def pixels(self, selector: str) -> np.ndarray:
        """The colours of what a selector finds: (height, width, 3)."""
        script = f"""(() => {{
            const box = document.querySelector({selector!r}).getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        }})()"""
        box = [round(side) for side in await self.run(script)]
        image = Image.open(io.BytesIO(await self.picture())).convert("RGB")
        return np.asarray(image.crop((box[0], box[1], box[2], box[3]))).astype(int)


@contextlib.contextmanager
def running_chromium(*switches: str) -> Iterator[int]:
    """Port of a browser of its own, with nothing remembered."""
    assert EXECUTABLE is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [EXECUTABLE, *_SWITCHES, *switches, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield _port(Path(profile))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.asynccontextmanager
async def tab(port: int) -> AsyncIterator[Page]:
    """A new tab of a browser; what is kept for a session is its own."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        target = (await client.put("/json/new?about:blank")).json()
        async with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            try:
                for domain in ("Page", "Runtime", "Log", "DOM"):
                    await page.send(f"{domain}.enable")
                await page.look(1280, 800)
                yield page
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening
        await client.get(f"/json/close/{target['id']}")


def _port(profile: Path) -> int:
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError, IndexError):
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        time.sleep(0.05)
    raise TimeoutError("Chromium does not start")
