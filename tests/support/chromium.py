"""A headless Chromium by its DevTools protocol over a pipe: no driver, no library, no port.

https://chromedevtools.github.io/devtools-protocol: JSON objects that end with NUL, read from
descriptor 3 and written to descriptor 4 of the browser.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
TIMEOUT_S = 300.0
"""Nothing takes this long unless it hangs."""
_READ_BYTES = 1 << 16
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has none, and the page is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)
# The browser has the ends of the pipes as 3 and 4, whatever numbers these have here.
_AS_3_AND_4 = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'


def program() -> str | None:
    """Where it is; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab. What the browser says is taken while an answer is waited for."""

    def __init__(self, to: int, come: int) -> None:
        self._to, self._come = to, come
        self._number = 0
        self._rest = b""
        self._session = ""
        self.reported: list[dict[str, Any]] = []
        """All events so far."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{part}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """The answer of the browser; AssertionError where it refuses."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (got := self._next()).get("id") != self._number:
            self.reported.append(got)
        assert "error" not in got, got["error"]
        answer: dict[str, Any] = got["result"]
        return answer

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._come, _READ_BYTES)
            assert more, "the browser has gone"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """The value of an expression in the page, that of its promise too."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Until the expression is true; its value."""
        return until(lambda: self.run(script), script)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, as from the keyboard."""
        for kind in ("keyDown", "keyUp"):
            words = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **words,
            )

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write what it looks like as PNG."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and what the policy has stopped."""
        self.run("0")
        found = []
        for each in self.reported:
            method, said = each["method"], each.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(said["exceptionDetails"]))
            elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
                found.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
            elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
                found.append(json.dumps(said["args"]))
        return found


def until(found: Callable[[], T], words: str) -> T:
    """The first value that is true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited without result for {words}"
        time.sleep(0.02)
    return value


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A new one with its profile in `folder`, which must be there."""
    name = program()
    assert name is not None
    from_us, to = os.pipe()
    come, from_it = os.pipe()
    profile = f"--user-data-dir={folder / 'profile'}"
    command = ["bash", "-c", _AS_3_AND_4, "-", str(from_us), str(from_it), name, *_FLAGS, profile]
    with subprocess.Popen(
        command,
        pass_fds=(from_us, from_it),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        os.close(from_us)
        os.close(from_it)
        try:
            yield Page(to, come)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            os.close(to)
            os.close(come)
