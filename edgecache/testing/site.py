"""A distribution as its viewers meet it in a test, and the answers they get.

Law: what an answer says of itself is read off the answer alone; the rule of its TTL and its key are
asked of edgecache when somebody wants to know.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edgecache.testing.viewer_exchange import (
    ADDRESS,
    AnswerHeaders,
    ViewerRequest,
    ViewerResponse,
    request_problems,
)

if TYPE_CHECKING:
    from edgecache.testing.explanation import SiteExplanation
    from edgecache.testing.installation import InstallationUnderTest

ANSWERS_KEPT = 20  # of a test, to be told of when it fails
TOGETHER_MAX = 1_000  # requests at once
WAIT_S_MAX = 10.0  # of the real clock, for what goes on in the background
LOOK_S = 0.02
LOOKS_MAX = 500
_MEMBERS = re.compile(r',\s*(?=(?:[^"]*"[^"]*")*[^"]*$)')  # commas outside of quotes
_STALE = ("stale-while-revalidate", "stale-if-error", "stale-cut-off")


@dataclass(frozen=True, slots=True)
class TierStatus:
    """What one tier says in Cache-Status (RFC 9211): its name, and its parameters."""

    name: str
    parameters: Mapping[str, str]

    @property
    def is_hit(self) -> bool:
        return "hit" in self.parameters

    @property
    def is_stale(self) -> bool:
        detail, ttl = self.parameters.get("detail", ""), self.parameters.get("ttl", "0")
        return self.is_hit and (detail in _STALE or ttl.startswith("-"))


@dataclass(frozen=True, slots=True, eq=False)
class SiteAnswer:
    """An answer to a viewer. `body` is bytes; `headers` has names in any case."""

    request: ViewerRequest
    status: int
    headers: AnswerHeaders
    body: bytes
    is_whole: bool  # else the connection ended before the body did
    _explain: Callable[[ViewerRequest], SiteExplanation] = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text, where it is UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def x_cache(self) -> str:
        """CloudFront's word for it: Hit, RefreshHit, Miss, Error, ..."""
        return self.headers.get("x-cache", "").partition(" ")[0]

    @property
    def tiers(self) -> list[TierStatus]:
        """The members of Cache-Status, that of the edge last."""
        text = self.headers.get("cache-status", "")
        return [_tier(member) for member in _MEMBERS.split(text) if member]

    @property
    def hit(self) -> bool:
        """It came from a cache, at an edge or regional, and no origin was asked for it."""
        if self.x_cache == "Error":
            return any(one.is_hit for one in self.tiers)
        return self.x_cache == "Hit"

    @property
    def miss(self) -> bool:
        """An origin was asked for it."""
        if self.x_cache == "Error":
            return bool(self.tiers) and not self.hit
        return self.x_cache == "Miss"

    @property
    def refresh(self) -> bool:
        """An origin was asked whether what is stored still holds, and it does."""
        return self.x_cache == "RefreshHit"

    @property
    def stale(self) -> bool:
        """It was stored, and its TTL is over: stale-while-revalidate, or stale-if-error."""
        return any(one.is_stale for one in self.tiers)

    @property
    def age(self) -> int | None:
        """Age in seconds; None: it came from the origin just now."""
        value = self.headers.get("age")
        return None if value is None else int(value)

    @property
    def why(self) -> str:
        """The reason word of the edge, as `absent` or `expired`; empty for a hit."""
        return self.tiers[-1].parameters.get("detail", "") if self.tiers else ""

    @property
    def ttl_rule(self) -> str | None:
        """The rule that gave what is stored its lifetime; see `SiteExplanation`. Asked for now."""
        return self._explain(self.request).ttl_rule

    def explain(self) -> SiteExplanation:
        """What edgecache makes of the same request now."""
        return self._explain(self.request)

    @property
    def words(self) -> str:
        """In one line: what was asked, the answer, and what each tier says of it."""
        asked = self.request
        headers = "".join(f" {name}: {value};" for name, value in asked.headers)
        said = self.headers.get("cache-status", "no Cache-Status")
        cut = "" if self.is_whole else ", cut off"
        return (
            f"{asked.method} {asked.url}{headers} -> {self.status} {self.x_cache}"
            f"{cut} [{said}]".replace("  ", " ")
        )

    def __repr__(self) -> str:
        return f"<{self.words}>"


def _tier(member: str) -> TierStatus:
    name, *rest = (part.strip() for part in member.split(";"))
    pairs = (part.partition("=") for part in rest)
    return TierStatus(name, {key: value.strip('"') for key, _, value in pairs})


class SiteUnderTest:
    """A distribution of a test."""

    def __init__(
        self,
        installation: InstallationUnderTest,
        names: tuple[str, str],
        default_root_object: str,
        answers: deque[SiteAnswer],
    ) -> None:
        self.id, self.domain_name = names
        self._installation = installation
        self._root = default_root_object
        self._answers = answers

    def get(self, path: str, **options: Any) -> SiteAnswer:
        """The answer to one request; `options` as of `ask`."""
        return self._ask([self._request(path, **options)])[0]

    def ask(self, method: str, path: str, **options: Any) -> SiteAnswer:
        """The answer to one request.

        `path` may have a query, and is percent-encoded; or it is a URL, whose scheme and host
        count. Options: `headers`, `body`, `scheme` ("https"), `host`, `location`, the
        edge location that is asked, and `address`, the viewer's.
        """
        return self._ask([self._request(path, method=method, **options)])[0]

    def get_all(self, paths: Iterable[str], **options: Any) -> list[SiteAnswer]:
        """The answers to several requests that are under way at the same time."""
        requests = [self._request(path, **options) for path in paths]
        if len(requests) > TOGETHER_MAX:
            raise ValueError(f"paths: {len(requests)} are more than {TOGETHER_MAX}")
        return self._ask(requests)

    def get_until(
        self, path: str, is_so: Callable[[SiteAnswer], object], **options: Any
    ) -> SiteAnswer:
        """Ask again until `is_so` of the answer: for what edgecache does in the background.

        AssertionError, with the last answer, when it does not become so.
        """
        until, waits = time.monotonic() + WAIT_S_MAX, self._installation.mode == "processes"
        for _ in range(LOOKS_MAX):
            answer = self.get(path, **options)
            if is_so(answer):
                return answer
            self._answers.pop()  # how many looks it took is nobody's answer
            if waits:
                Event().wait(LOOK_S)
            if time.monotonic() > until:
                break
        raise AssertionError(f"it did not become so: {answer!r}")

    def invalidate(self, *paths: str, tags: Iterable[str] = (), soft: bool = False) -> None:
        """Invalidate paths (`/a`, `/images/*`) and tags; it is Completed when this returns.

        ValueError names every path that is none.
        """
        from edgecache.rules.invalidation.items import ItemKind, item, items_of, with_root

        items, problems = [], []
        texts = [*paths, *(f"#{tag.removeprefix('#')}" for tag in tags)]
        for text in texts:
            try:
                kind = ItemKind.TAG if text.startswith("#") else ItemKind.PATH
                items.append(item(kind, text))
            except ValueError as error:
                problems.append(str(error))
        if not texts:
            problems.append("nothing is named: give paths or tags")
        if problems:
            raise ValueError("\n".join(problems))
        whole = with_root(items_of(_text(one) for one in items), self._root)
        self._installation.invalidate(self.id, whole, soft=soft)

    def explain(self, path: str, **options: Any) -> SiteExplanation:
        """What edgecache makes of a request now; no origin is asked, and nothing changes by it."""
        return self._explain(self._request(path, **options))

    def _explain(self, request: ViewerRequest) -> SiteExplanation:
        from edgecache.testing.explanation import SiteExplanation

        return SiteExplanation(self._installation.explain(request))

    def _ask(self, requests: list[ViewerRequest]) -> list[SiteAnswer]:
        responses = self._installation.ask(requests)
        answers = [self._answer(*pair) for pair in zip(requests, responses, strict=True)]
        self._answers.extend(answers)
        return answers

    def _answer(self, request: ViewerRequest, response: ViewerResponse) -> SiteAnswer:
        return SiteAnswer(
            request,
            response.status,
            response.headers,
            response.body,
            response.is_whole,
            self._explain,
        )

    def _request(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: str | bytes = b"",
        scheme: str = "https",
        host: str = "",
        location: str = "",
        address: str = ADDRESS,
    ) -> ViewerRequest:
        if "://" in path:
            parts = urlsplit(path)
            scheme, host = parts.scheme, host or parts.netloc
            path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        known = self._installation.locations
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        request = ViewerRequest(
            host or self.domain_name,
            path,
            method,
            tuple((str(name), value) for name, value in pairs),
            body.encode() if isinstance(body, str) else body,
            scheme,
            location or known[0],
            address,
        )
        problems = request_problems(request)
        if request.location not in known:
            problems.append(f"location: {location!r} is not one of {', '.join(known)}")
        if problems:
            raise ValueError("\n".join(problems))
        return request

    def __repr__(self) -> str:
        return f"<distribution {self.id}, {self.domain_name}>"


def _text(item: tuple[Any, str]) -> str:
    kind, value = item
    return f"#{value}" if kind == "tag" else value
