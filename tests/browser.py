"""Debian's Chromium without a screen, driven over its debugging protocol: pages as a reader has them."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60  # that anything may take on a busy machine


def chromium() -> str:
    """The browser's path; without one a test is skipped, in CI it fails."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    message = "no Chromium, so no page was opened; apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Tab:
    """One page in the browser, with what it complained about."""

    def __init__(self, socket: Any):
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **values: Any) -> Any:
        """The result of a method of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": values}))
        while True:
            message = json.loads(self._socket.recv(timeout=SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._hear(message)

    def _hear(self, message: Any) -> None:
        method, values = message["method"], message["params"]
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(values["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(values["args"])[:500])
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.complaints.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = values["request"]["url"]
            if not url.startswith(("file:", "blob:", "data:")):
                self.complaints.append(f"asks for {url}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"a dialog: {values['message']}")

    def open(self, path: Path, view: str = "", *, width: int = 1200, dark: bool = False) -> None:
        """Load a file from disk, at a width, in light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=f"{path.absolute().as_uri()}{view}")
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of an expression, of a promise when it is there."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression holds."""
        end = time.monotonic() + SECONDS
        while not self.run(script):
            assert time.monotonic() < end, f"never held: {script}"
            time.sleep(0.05)

    def picture(self, path: Path, height: int = 0) -> None:
        """The whole page, or its upper part, as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A browser with one tab, for as long as the block runs; `profile` is an empty folder."""
    from websockets.sync.client import connect

    command = [chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio"]
    command += ["--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0"]
    command += [f"--user-data-dir={profile}", "--no-first-run", "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort", process)
        address = f"ws://127.0.0.1:{port}"
        with connect(f"{address}/devtools/browser/{_browser_id(profile)}", max_size=None) as control:
            asked = {"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}
            control.send(json.dumps(asked))
            target = json.loads(control.recv(timeout=SECONDS))["result"]["targetId"]
        with connect(f"{address}/devtools/page/{target}", max_size=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def _port(file: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + SECONDS
    while not (file.exists() and file.read_text().count("\n")):
        assert process.poll() is None, "the browser ended as it began"
        assert time.monotonic() < end, "the browser never opened its port"
        time.sleep(0.05)
    return file.read_text().splitlines()[0]


def _browser_id(profile: Path) -> str:
    return (profile / "DevToolsActivePort").read_text().splitlines()[1].rpartition("/")[2]
