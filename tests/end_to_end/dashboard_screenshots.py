"""Screenshots of the dashboard, to be looked at: every view, at three widths, in both themes.

By hand: `python -m tests.end_to_end.dashboard_screenshots [SECONDS]` runs an installation under a
load for so long (60 unless said otherwise) before it looks, and leaves them in var/dashboard/;
`overview-1440-light.png` of a longer run is what the README shows.
"""

from __future__ import annotations

import base64
import random
import sys
import threading
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.end_to_end.browser import browser
from tests.end_to_end.dashboard_page import VIEWS, DashboardPage, make_key
from tests.end_to_end.installation import ROOT, TREE, Up, make_installation, start_up
from tests.end_to_end.nginx import start_nginx
from tests.end_to_end.processes import stop_all
from tests.end_to_end.tree import File, make_tree

FOLDER = ROOT / "var" / "dashboard"
SECONDS = 60
WIDTHS = {375: 812, 1440: 900, 3840: 2160}  # a telephone, a laptop, 4K; with their heights
HEIGHT_MAX = 4_000
THEMES = ("light", "dark")
EXPLAINED = "explain?url=http%3A%2F%2F127.0.0.1%2Fabout.html"
PER_S = 60
SITE_PATHS = ("/", "/", "/", "/about.html", "/about.html", "/robots.txt", "/nothing-here")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile/15E148",
    "curl/8.14.1",
)
REFERRERS = (
    "https://news.example/",
    "https://www.example.com/start",
    "https://search.example/?q=a",
)


class Visitors:
    """Viewers of two sites at both locations, some objects far more wanted than others."""

    def __init__(self, up: Up, files: list[File]) -> None:
        self._up = up
        self._random = random.Random(24)
        self._targets = [file.target for file in files]
        self._weights = [1 / (place + 1) for place in range(len(files))]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(trust_env=False) as client:
            while not self._over.wait(self._random.expovariate(PER_S)):
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        chance = self._random
        edge = self._up.lhr if chance.random() < 0.7 else self._up.nrt
        tree = chance.random() < 0.6
        path = (
            chance.choices(self._targets, self._weights)[0] if tree else chance.choice(SITE_PATHS)
        )
        fields = {"user-agent": chance.choice(AGENTS), "referer": chance.choice(REFERRERS)}
        client.get(edge + path, headers=fields | ({"host": TREE} if tree else {}))


def take(page: DashboardPage, view: str, width: int, theme: str) -> None:
    """One picture of all of a view."""
    devtools = page.browser.devtools
    metrics = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": False}
    devtools("Emulation.setDeviceMetricsOverride", **metrics)
    page.choose_theme(theme)
    page.show(view)
    page.until("its charts", "!document.querySelector('.plot') || document.querySelector('canvas')")
    wide, high = page.browser.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert wide <= width, f"{view} is {wide} wide at {width}"
    clip = {"x": 0, "y": 0, "width": width, "height": min(high, HEIGHT_MAX), "scale": 1}
    told = devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    name = f"{view.partition('?')[0]}-{width}-{theme}.png"
    (FOLDER / name).write_bytes(base64.b64decode(told["data"]))


def look_at_all(page: DashboardPage) -> None:
    """Every view at every width in both themes."""
    for theme, width, view in product(THEMES, WIDTHS, VIEWS):
        take(page, EXPLAINED if view == "explain" else view, width, theme)
    assert page.wrong() == []


def main(seconds: float) -> None:
    """Run the load, then look at everything."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nginx").mkdir()
        (folder / "tree").mkdir()
        files = make_tree(folder / "tree")[:-1]  # but the large one
        try:
            nginx = start_nginx(folder / "nginx", folder / "tree")
            up = start_up(make_installation(folder, nginx.port))
            with Visitors(up, files), browser(folder) as chromium:
                page = DashboardPage(chromium, up.installation.control)
                page.open("rankings")
                page.log_in(make_key(up.installation, "operator"))
                threading.Event().wait(seconds)
                look_at_all(page)
        finally:
            stop_all()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
