"""Debian's Chromium over WebDriver (W3C), with a profile of its own and no word to the outside."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.nginx import installed
from tests.end_to_end.processes import free_ports, listens, start

SCRIPT_S_MAX = 60
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=800,600",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """A session. Scripts get their arguments as `arguments`, as WebDriver has it."""

    client: httpx.Client
    session: str

    def go(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self._post("url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script says with its last argument, a function, when it is done."""
        return self._post("execute/async", {"script": script, "args": list(arguments)})

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        """What an expression is; in it the arguments are `given`."""
        script = f"const given = [...arguments]; const done = given.pop(); done(({expression}));"
        return self.run(script, *arguments)

    def devtools(self, command: str, **parameters: Any) -> Any:
        """What a command of the DevTools protocol gives."""
        return self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self) -> bytes:
        """The page as PNG."""
        answer = self.client.get(f"/session/{self.session}/screenshot")
        return base64.b64decode(_value(answer))

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return _value(self.client.post(f"/session/{self.session}/{command}", json=body))


def _value(answer: httpx.Response) -> Any:
    told = answer.json()["value"]
    assert answer.status_code == 200, told
    return told


@contextmanager
def browser(folder: Path, *arguments: str, quic: str = "--disable-quic") -> Iterator[Browser]:
    """Chromium with a fresh profile in `folder`; skips the test where it is not installed.

    `arguments` are more of its own; `quic` says whether it speaks HTTP/3.
    """
    program, driver = (
        installed("chromium", "chromium"),
        installed("chromedriver", "chromium-driver"),
    )
    (port,) = free_ports(1)
    process = start([driver, f"--port={port}"], folder, "chromedriver")
    process.until("chromedriver listens", lambda: listens(port))
    told = [*_ARGUMENTS, quic, *arguments, f"--user-data-dir={folder / 'profile'}"]
    options = {"binary": program, "args": told}
    wanted = {
        "capabilities": {
            "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "timeouts": {"script": SCRIPT_S_MAX * 1_000},
            }
        }
    }
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=2 * SCRIPT_S_MAX, trust_env=False
    ) as client:
        try:
            session = _value(client.post("/session", json=wanted))["sessionId"]
            yield Browser(client, session)
            client.delete(f"/session/{session}")
        finally:
            process.stop()
