"""The dashboard in a browser: logged in to, looked at, used; what it did wrong is collected.

Law: what the page's policy refused and what its scripts threw is kept from before they run, so that
a test that asks at the end has all of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.browser import Browser
from tests.end_to_end.foreign import installed, make_node_modules
from tests.end_to_end.installation import Installation
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

VIEWS = (
    "overview", "traffic", "rankings", "invalidations", "releases", "explain", "nodes", "origins",
    "storage", "certificates", "changes",
)  # fmt: skip
AXE = "axe-core@4.14.1"
SERIOUS = ("serious", "critical")  # impacts, as axe has them
_WATCH = """
window.wrong = [];
const note = (kind, text) => window.wrong.push(`${kind}: ${text}`);
document.addEventListener("securitypolicyviolation",
  event => note("policy", `${event.violatedDirective} ${event.blockedURI}`));
addEventListener("error", event => note("error", event.message), true);
addEventListener("unhandledrejection", event => note("rejection", event.reason));
"""
_LOG_IN = """(() => {
  const form = document.querySelector("form.login");
  form.access_key_id.value = given[0];
  form.secret_access_key.value = given[1];
  form.requestSubmit();
})()"""
_SHOWN = """document.querySelector("main")?.dataset.view === given[0]
  && !document.querySelector("main").innerText.includes("Loading…")"""
_FOUND = """axe.run(document, {resultTypes: ["violations"]}).then(
  result => done(result.violations.filter(one => given[0].includes(one.impact)).map(
    one => `${one.id}: ${one.nodes.map(node => node.target).join(" ")}`)))"""


@dataclass(frozen=True, slots=True)
class AccessKeyPair:
    """An access key's id and secret."""

    id: str
    secret: str


def make_key(installation: Installation, name: str, *actions: str) -> AccessKeyPair:
    """An access key of the installation that runs; without `actions` it may do everything."""
    body = json.dumps({"name": name, "actions": actions})
    json_body = ("-H", "Content-Type: application/json", "-d", body)
    url = f"{installation.control}/access-keys"
    answer = curl(url, "--unix-socket", str(installation.socket), *json_body)
    assert answer.status == 201, answer
    made = json.loads(answer.body)
    return AccessKeyPair(made["id"], made["secret_access_key"])


class DashboardPage:
    """One page of a browser, with control's dashboard at `url`."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)

    def open(self, view: str = "overview") -> None:
        """Load the page anew."""
        self.browser.go("about:blank")
        self.browser.go(f"{self.url}/#/{view}")

    def show(self, view: str) -> None:
        """Go to a view inside the page, and wait until it is there with its data."""
        self.browser.evaluate("location.hash = given[0]", f"#/{view}")
        name = view.partition("?")[0].partition("/")[0]
        self.until(f"the view {view}", _SHOWN, name)

    def log_in(self, key: AccessKeyPair) -> None:
        """From the login's form to the state of the installation."""
        self.until("the login", "document.querySelector('form.login') !== null")
        self.browser.evaluate(_LOG_IN, key.id, key.secret)
        self.until("it is live", "document.querySelector('[data-connection=live]') !== null")

    def log_out(self) -> None:
        """To the login's form."""
        self.click("[data-logout]")
        self.until("the login", "document.querySelector('form.login') !== null")

    def until(self, what: str, expression: str, *arguments: Any) -> Any:
        """What an expression is once that is true."""
        return wait_for(what, lambda: self.browser.evaluate(expression, *arguments))

    def text(self, selector: str) -> str:
        """The text that is shown by what a selector finds first; empty where nothing is."""
        found = self.browser.evaluate("document.querySelector(given[0])?.innerText ?? ''", selector)
        return str(found)

    def click(self, selector: str) -> None:
        """Click what a selector finds first, once it is there."""
        self.until(selector, "document.querySelector(given[0]) !== null", selector)
        self.browser.evaluate("document.querySelector(given[0]).click()", selector)

    def choose_theme(self, theme: str) -> None:
        """By the switch: `light`, `dark` or the system's, which is empty."""
        self.browser.evaluate(
            "(() => { const one = document.querySelector('.theme select'); one.value = given[0];"
            " one.dispatchEvent(new Event('change', {bubbles: true})); })()",
            theme,
        )

    def wrong(self) -> list[str]:
        """What the policy refused and scripts threw since the page was loaded."""
        found: list[str] = self.browser.evaluate("window.wrong")
        return found

    def inaccessible(self, axe: str) -> list[str]:
        """What axe (its source) finds serious in what is shown now, by rule and element."""
        if not self.browser.evaluate("'axe' in window"):
            self.browser.devtools("Runtime.evaluate", expression=axe)
        found: list[str] = self.browser.run(
            f"const given = [...arguments]; const done = given.pop(); {_FOUND}", SERIOUS
        )
        return found


def axe_source() -> str:
    """The source of axe, installed when it is not there. UnavailableError: why it cannot be."""

    def install(folder: Path) -> Path:
        make_node_modules(folder, AXE)
        return folder / "node_modules" / "axe-core" / "axe.min.js"

    return installed(AXE.replace("@", "-"), install).read_text()
