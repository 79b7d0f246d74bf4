"""A browser in front of control's dashboard, in this process: cookies, and what browsers add."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx

from edgecache.control.cloudfront.authentication import AccessKey, CallerAuthentication
from edgecache.control.dashboard.dashboard import Dashboard
from edgecache.control.dashboard.session_handlers import SessionAdmission
from edgecache.control.dashboard.sessions import Sessions
from edgecache.control.rest.access_keys import KeyAdmission
from edgecache.control.rest.app import control_app
from edgecache.control.rest.drain import drain_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.access_keys import AccessKeyList, AccessKeyRecord
from edgecache.control.state.invalidations import Invalidations
from tests.control.rest.test_app import BASE, Place

OPERATORS = {"k1": "k" * 32}
LOOPBACK = "127.0.0.1"


class Browsed(Place):
    """A control plane with its dashboard; `peer` is where the browser is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.peer = LOOPBACK
        self.made: tuple[AccessKeyRecord, ...] = ()
        self.deleted: frozenset[str] = frozenset()
        self.callers = CallerAuthentication(OPERATORS, self.tokens, self.clock, self.clock)
        self.begin()

    def begin(self) -> None:
        """Start control anew: what it knew of log-outs and attempts is gone."""
        self.sessions = Sessions(OPERATORS, self.callers, self.clock, os.urandom)
        browsers = SessionAdmission(self.sessions, self.clock)
        self.admission = KeyAdmission(self.callers, browsers)
        self.app = control_app(self.control, ["control.test:8090"], self.admission)
        self.invalidations = Invalidations(
            self.state, self.log, self.barrier, self.clock, os.urandom
        )
        self.dashboard = Dashboard(
            self.control, browsers, self.invalidations, self.folder, _at_once
        )
        handlers = {**self.dashboard.handlers(), **drain_handlers(self.control)}
        self.app.router.routes += starlette_routes(handlers, self.admission)

    def key(self, name: str, *actions: str, of: tuple[str, ...] = ()) -> AccessKey:
        """An access key that was made."""
        made = AccessKeyRecord(f"EDGE{name}", name, 0.0, None, actions, of, f"secret of {name}")
        self.made += (made,)
        self._tell()
        return AccessKey(name, made.id, made.secret)

    def delete(self, key: AccessKey) -> None:
        """Delete a key."""
        self.made = tuple(one for one in self.made if one.id != key.access_key_id)
        self.deleted |= {key.access_key_id}
        self._tell()

    def own_key(self) -> AccessKey:
        """The operator's own, which is derived."""
        return self.callers.derived[0]

    def _tell(self) -> None:
        self.callers.use_made(AccessKeyList(self.made, self.deleted))


class Browser:
    """A browser with a jar of cookies, on a page of control's own unless `site` says otherwise."""

    def __init__(self, place: Browsed, base: str = BASE) -> None:
        self.place = place
        self.base = base
        self.cookies = httpx.Cookies()
        self.csrf = ""

    def asks(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        site: str = "same-origin",
    ) -> httpx.Response:
        """One request, as a page's script makes it."""
        fields = {"sec-fetch-site": site} | ({"x-csrf-token": self.csrf} if self.csrf else {})
        if body is not None:
            fields["content-type"] = "application/json"
        content = b"" if body is None else json.dumps(body).encode()

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.place.app, False, client=(self.place.peer, 40000))
            async with httpx.AsyncClient(
                transport=transport, base_url=self.base, cookies=self.cookies
            ) as client:
                answer = await client.request(
                    method, path, headers=fields | (headers or {}), content=content
                )
                self.cookies = client.cookies
                return answer

        return asyncio.run(once())

    def logs_in(self, key: AccessKey) -> httpx.Response:
        """Log in with an access key, and know its CSRF value as the page does."""
        secrets = {
            "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key,
        }  # fmt: skip
        answer = self.asks("POST", "/session", secrets)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf"]
        return answer


async def _at_once(work: Any) -> Any:
    return work()
