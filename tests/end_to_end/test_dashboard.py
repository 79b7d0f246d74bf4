"""The dashboard in Chromium: it shows what a load sent, survives what happens, and refuses.

Roles run alone here, so that what is killed stays dead. One browser and one installation for all:
each test says as whom it reads, and which edge is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.end_to_end.browser import browser
from tests.end_to_end.dashboard_page import (
    VIEWS,
    AccessKeyPair,
    DashboardPage,
    axe_source,
    make_key,
)
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.installation import Installation, make_installation
from tests.end_to_end.processes import Running, kill, listens, wait_for
from tests.end_to_end.viewers import curl

OBJECTS = 8
ASKED = 4  # times each
HOSTILE_PATH = "/%3Cimg%20src=x%20onerror=window.pwned=1%3E<script>window.pwned=2</script>"
HOSTILE_REFERRER = '"><img src=x onerror=window.pwned=3>'
HOSTILE_AGENT = "<script>window.pwned=4</script>"
# What a page of another origin tries, with the reader's cookies: each as far as it comes.
_FOREIGN = """
const [control, done] = arguments;
const said = {};
const body = JSON.stringify({distribution: "ESITE", paths: ["/foreign"]});
const tried = async (name, path, more) => {
  try {
    const got = await fetch(control + path, {credentials: "include", ...more});
    said[name] = got.type === "opaque" ? "opaque" : got.status;
  } catch { said[name] = "refused"; }
};
const stream = new Promise(over => {
  const source = new EventSource(`${control}/dashboard/live`, {withCredentials: true});
  source.onerror = () => { source.close(); over("refused"); };
  source.addEventListener("state", () => over("told"));
});
(async () => {
  await tried("session", "/session");
  await tried("state", "/dashboard/series?range=5m");
  const headers = {"content-type": "application/json"};
  await tried("json", "/invalidations", {method: "POST", body, headers});
  await tried("simple", "/invalidations", {method: "POST", body, mode: "no-cors"});
  await tried("drain", "/nodes/LHR50/drain", {method: "POST", mode: "no-cors"});
  said.stream = await stream;
  const frame = document.createElement("iframe");
  const loaded = new Promise(over => { frame.onload = over; });
  frame.src = control + "/";
  document.body.append(frame);
  await loaded;
  said.frame = frame.contentDocument === null ? "closed" : "open";
  done(said);
})();
"""


# An action of a session that may not take it, past the buttons.
_ACT_ANYHOW = """
const done = arguments[0];
(async () => {
  const {csrf} = await (await fetch("/session")).json();
  const body = JSON.stringify({distribution: "ESITE", paths: ["/anyhow"]});
  const headers = {"x-csrf-token": csrf, "content-type": "application/json"};
  done((await fetch("/invalidations", {method: "POST", body, headers})).status);
})();
"""
_ADDED = """document.querySelectorAll(`img:not([src^="/dashboard/"]),
  script:not([src^="/dashboard/"]), iframe, object, style`).length"""
_COLOR = "getComputedStyle(document.querySelector(given[0])).color.match(/\\d+/g).map(Number)"


@dataclass(slots=True)
class Desk:
    """An installation of roles alone, and a reader before its dashboard."""

    installation: Installation
    roles: dict[str, Running]
    page: DashboardPage
    keys: dict[str, AccessKeyPair] = field(default_factory=dict)
    reader: str = "all"

    def read_as(self, name: str) -> None:
        """Be logged in by the key of a name."""
        if self.reader != name:
            self.page.log_out()
            self.page.log_in(self.keys[name])
            self.reader = name

    def lose_an_edge(self) -> None:
        """Kill NRT57, unless it is dead."""
        if self.roles["NRT57"].alive():
            kill(self.roles["NRT57"])

    def asked(self, path: str) -> Any:
        """What control says over its socket."""
        url = f"{self.installation.control}{path}"
        answer = curl(url, "--unix-socket", str(self.installation.socket))
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def invalidated(self) -> list[list[str]]:
        """The paths of all invalidations there ever were, the newest first."""
        told = self.asked("/invalidations/ESITE")["invalidations"]
        return [one["paths"] for one in told]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("dashboard")
    installation = make_installation(folder, workers=1)
    ports = installation.ports
    roles = {role: installation.start(role) for role in ("control", "origin", "regional")}
    for location in ("LHR50", "NRT57"):
        roles[location] = installation.start("edge", "--location", location)
    with browser(folder) as chromium:
        for name, port in (("control", ports.control), ("LHR50", ports.lhr), ("NRT57", ports.nrt)):
            roles[name].until(f"{name} listens", partial(listens, port))
        made = Desk(installation, roles, DashboardPage(chromium, installation.control))
        made.keys["all"] = make_key(installation, "deploy")
        made.keys["read"] = make_key(installation, "watch", "read")
        made.page.open("rankings")
        made.page.log_in(made.keys["all"])
        yield made
    for process in reversed(roles.values()):
        process.stop()
    assert not installation.left_running()


def send_load(desk: Desk) -> int:
    """Requests at one edge: each object is a miss once and then a hit. How many."""
    url = f"http://127.0.0.1:{desk.installation.ports.lhr}"
    with httpx.Client(trust_env=False) as client:
        for _ in range(ASKED):
            for number in range(OBJECTS):
                assert client.get(f"{url}/about.html?{number}").status_code == 200
    return OBJECTS * ASKED


def test_the_page_shows_what_the_load_sent(desk: Desk) -> None:
    page, sent = desk.page, send_load(desk)
    page.show("traffic")
    row = "[data-row=ESITE] [data-cell=requests]"
    page.until(
        "all requests are counted",
        "document.querySelector(given[0])?.innerText === given[1]",
        row,
        str(sent),
    )
    page.show("traffic?by=node")
    node = page.until(
        "the node",
        "document.querySelector('[data-row^=edge-LHR50-1] [data-cell=requests]')?.innerText",
    )
    assert node == str(sent)
    page.show("overview")
    assert page.text("[data-vital=requests] span") == f"{sent} in 5 min"


def test_what_is_hostile_is_shown_as_text(desk: Desk) -> None:
    page = desk.page
    page.show("rankings?seconds=60")
    hostile = (("errors", "onerror=window.pwned=1"), ("referrers", "onerror=window.pwned=3"))

    def shown() -> bool:  # nodes look once they have heard that somebody does
        curl(f"{url}{HOSTILE_PATH}", "-g", "-A", HOSTILE_AGENT, "-e", HOSTILE_REFERRER)
        texts = [page.text(f"[data-ranking={name}]") for name, _ in hostile]
        return all(part in text for text, (_, part) in zip(texts, hostile, strict=True))

    url = f"http://127.0.0.1:{desk.installation.ports.lhr}"
    wait_for("it is counted", shown)
    page.show("explain?url=" + quote(f"http://127.0.0.1{HOSTILE_PATH}", safe=""))
    page.until(
        "explained", "document.querySelector('[data-explained]')?.innerText.includes('pwned=2')"
    )
    assert page.browser.evaluate("window.pwned ?? null") is None
    assert page.browser.evaluate(_ADDED) == 0


def test_a_key_that_may_only_read_cannot_act(desk: Desk) -> None:
    page = desk.page
    desk.read_as("read")
    for view, action in (
        ("invalidations", "invalidate"),
        ("releases", "release"),
        ("nodes", "drain"),
    ):
        page.show(view)
        button = f"[data-action={action}]"
        page.click(button)
        assert (
            page.browser.evaluate("document.querySelector(given[0]).ariaDisabled", button) == "true"
        )
        assert "only read" in page.browser.evaluate(
            "document.querySelector(given[0]).title", button
        )
        assert page.browser.evaluate("document.querySelector('dialog')") is None
    assert page.browser.run(_ACT_ANYHOW) == 403
    assert desk.invalidated() == []


def test_a_page_of_another_origin_can_do_nothing(desk: Desk) -> None:
    """It is of the same site even (another port), so the reader's cookie comes along."""
    page = desk.page
    desk.read_as("all")
    page.browser.go(f"http://127.0.0.1:{desk.installation.ports.lhr}/about.html")
    said = page.browser.run(_FOREIGN, desk.installation.control)
    assert said.pop("frame") == "closed"
    assert set(said.values()) <= {"refused", "opaque"}, said
    assert desk.invalidated() == []
    assert not any(node["drain"] for node in desk.asked("/nodes")["nodes"])
    page.open()
    page.until("it is live", "document.querySelector('[data-connection=live]') !== null")


def test_an_invalidation_shows_whom_it_waits_for(desk: Desk) -> None:
    page = desk.page
    desk.read_as("all")
    page.show("invalidations?distribution=ESITE")
    page.until("the form", "document.querySelector('textarea[name=paths]') !== null")
    desk.lose_an_edge()
    page.browser.evaluate(
        "document.querySelector('textarea[name=paths]').value = given[0]", "/about.html*"
    )
    page.click("[data-action=invalidate][type=submit]")
    page.click("dialog [data-confirm]")
    waiting = "document.querySelector('[data-waiting]')?.dataset.waiting"
    assert page.until("it waits", waiting).startswith("edge-NRT57-1")
    page.until("it is done", "document.querySelector('[data-cell=status] .badge.good') !== null")
    assert desk.invalidated() == [["/about.html*"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_keeps_anybody_out(desk: Desk, theme: str) -> None:
    """By axe's rules: contrast, names, landmarks, order, what a keyboard reaches."""
    try:
        axe = axe_source()
    except UnavailableError as error:
        pytest.skip(f"axe-core cannot be installed: {error}")
    page = desk.page
    page.choose_theme(theme)
    found = {}
    for view in VIEWS:
        page.show(view)
        found[view] = page.inaccessible(axe)
    assert not any(found.values()), found


def test_an_edge_that_was_killed_turns_red(desk: Desk) -> None:
    page = desk.page
    desk.lose_an_edge()
    page.show("nodes")
    row = "tr.lost[data-row^=edge-NRT57-1]"
    page.until("it is lost", "document.querySelector(given[0]) !== null", row)
    assert page.text(f"{row} .badge.bad") == "lost"
    red, green, blue = page.browser.evaluate(_COLOR, f"{row} .badge.bad")
    assert red > 150 > max(green, blue) or red > green + 80, (red, green, blue)
    page.show("overview")
    assert "edge-NRT57-1" in page.text(".problems")


def test_control_starts_again_under_an_open_page(desk: Desk) -> None:
    page = desk.page
    page.browser.evaluate("window.kept = true")
    assert desk.roles["control"].stop() == 0
    page.until("it is told", "document.querySelector('[data-lost]')?.innerText.includes('lost')")
    desk.roles["control"] = desk.installation.start("control")
    page.until(
        "it is live again",
        "document.querySelector('[data-connection=live]') && !document.querySelector('.band')",
    )
    assert page.browser.evaluate("window.kept") is True


def test_nothing_was_refused_by_the_policy_or_thrown(desk: Desk) -> None:
    assert desk.page.wrong() == []
