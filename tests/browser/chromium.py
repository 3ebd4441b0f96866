# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a window, spoken to by its DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

PROGRAM = "chromium"
_OPTIONS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage")
# It must ask nothing of the network itself, either.
_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
# Names of keys that are pressed: their codes and the text that they make.
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Home": (36, ""), "End": (35, "")}


class Chromium:
    """One browser with one page. messages holds what the page's console says, requests every address it asks for."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._events: list[Mapping[str, Any]] = []
        self._number = 0
        self._rest = b""
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        ours_read, its_write = os.pipe()
        its_read, ours_write = os.pipe()
        # It reads from descriptor 3 and writes to 4.
        script = f'exec 3<&{its_read} 4>&{its_write}; exec "$@"'
        profile = f"--user-data-dir={self._profile.name}"
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", PROGRAM, *_OPTIONS, *_QUIET, profile, "about:blank"],
            pass_fds=(its_read, its_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(its_read)
        os.close(its_write)
        self._read, self._write, self._session = ours_read, ours_write, ""
        pages = [it for it in self.ask("Target.getTargets")["targetInfos"] if it["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self._session = ""
        self.ask("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._read)
        os.close(self._write)
        self._profile.cleanup()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command. Raises AssertionError where it says that something is wrong."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._incoming(seconds=60):
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
        raise AssertionError(f"{method}: no answer")

    def _incoming(self, *, seconds: float) -> Iterator[Mapping[str, Any]]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            while b"\0" in self._rest:
                one, self._rest = self._rest.split(b"\0", 1)
                message = json.loads(one)
                self._note(message)
                yield message
            if select.select([self._read], [], [], max(0, until - time.monotonic()))[0]:
                got = os.read(self._read, 1 << 20)
                assert got, "the browser is gone"
                self._rest += got

    def _note(self, message: Mapping[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.messages.append(str(parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.messages.append(str(parameters["entry"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(str(parameters["request"]["url"]))
        elif method:
            self._events.append(message)

    def open(self, path: Path, fragment: str = "") -> None:
        """Opens a file of this machine and waits until it is loaded."""
        # Another fragment of the same page would load nothing.
        self._load("about:blank")
        self.requests.clear()
        self._load(f"{path.as_uri()}{fragment}")

    def _load(self, address: str) -> None:
        self._events.clear()
        self.ask("Page.navigate", url=address)
        if any(it["method"] == "Page.loadEventFired" for it in self._events):
            return
        for message in self._incoming(seconds=60):
            if message.get("method") == "Page.loadEventFired":
                return
        raise AssertionError(f"{address} does not load")

    def value(self, expression: str) -> Any:
        """That of an expression in the page, a promise's once it has one."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code, text = _KEYS[key]
        name = {" ": "Space"}.get(key, key)
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=name, windowsVirtualKeyCode=code, **more)

    def write(self, text: str) -> None:
        """Types into what has the focus."""
        self.ask("Input.insertText", text=text)

    def prefer(self, *, media: str = "", **features: str) -> None:
        """Sets what the user prefers, as color_scheme="dark"."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", media=media, features=told)

    def resize(self, width: int, height: int) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def print(self, path: Path) -> None:
        data = self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"]
        path.write_bytes(base64.b64decode(data))

    def names(self, roles: Sequence[str]) -> list[tuple[str, str]]:
        """Role and name of what assistive technology sees, of these roles."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        seen = [(it["role"]["value"], it.get("name", {}).get("value", "")) for it in nodes if not it["ignored"]]
        return [it for it in seen if it[0] in roles]
