"""Access keys over the REST API: made, listed, deleted; and admission of who signs with one.

Law: a secret is told once, to its maker. Who comes with a signature is judged by it alone, within
the key's limits, before anything else is read of the request: see `rules/permissions.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.control.cloudfront.authentication import ANYBODY, Caller, CallerAuthentication
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest.auth import OPERATOR, bearer_name, is_signed, require_operator
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.control.state.access_keys import (
    AccessKeyRecord,
    AccessKeys,
    KeyNotMadeError,
    NoSuchKeyError,
)
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import Authorship
from edgecache.control.state.database_thread import StateRun
from edgecache.control.state.resources import ResourceKind
from edgecache.rules.permissions import BODY, REST, Action, refusal

LIMITED_MAX = 500  # distributions of one key: as many as there may be


class AccessKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to make. Without `actions` it may do everything, without `distributions` to all."""

    name: str
    actions: list[Action] = []
    distributions: list[str] = []


class AccessKeyReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """An access key; times in seconds of the epoch.

    `source` is `operator` for the key that an operator's secret gives by itself. `usable` is false
    when the operator's secret that sealed it is gone.
    """

    id: str
    name: str
    source: str
    usable: bool
    actions: tuple[str, ...]
    distributions: tuple[str, ...]
    created_at: float | None
    last_used_at: float | None
    secret_access_key: str = ""  # told when it is made, and never again


class AccessKeyReports(msgspec.Struct, frozen=True):
    """All access keys: operators' own, then those that were made, the newest last."""

    access_keys: list[AccessKeyReport]


@dataclass(frozen=True, slots=True)
class AccessKeyHandlers:
    """The operations on access keys; what is kept is read and written by `run`."""

    keys: AccessKeys
    callers: CallerAuthentication
    catalog: Catalog
    run: StateRun

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {
            "list_access_keys": self.list_all,
            "create_access_key": self.create,
            "delete_access_key": self.delete,
        }

    async def list_all(self, request: Request) -> Response:
        require_operator(request, self.callers.tokens)
        return json_response(AccessKeyReports(await self._reports()))

    async def create(self, request: Request) -> Response:
        author = require_operator(request, self.callers.tokens)
        try:
            body = msgspec.json.decode(await bounded_body(request), type=AccessKeyBody)
            record = await self.run(lambda: self._made(body, author))
        except (msgspec.DecodeError, KeyNotMadeError) as error:
            return json_response({"error": str(error)}, 400)
        report = msgspec.structs.replace(_report(record), secret_access_key=record.secret)
        return json_response(report, 201)

    async def delete(self, request: Request) -> Response:
        author = require_operator(request, self.callers.tokens)
        wanted = request.path_params["key"]
        try:
            one = _find(await self._reports(), wanted)
        except NoSuchKeyError as error:
            return json_response({"error": str(error)}, 404)
        await self.run(lambda: self._delete(one, author))
        return json_response(one)

    def _delete(self, one: AccessKeyReport, author: str) -> None:
        with self.catalog.recorded(Authorship(author, f"delete_access_key {one.name}")):
            self.keys.delete(one.id)

    def _made(self, body: AccessKeyBody, author: str) -> AccessKeyRecord:
        if len(body.distributions) > LIMITED_MAX:
            raise KeyNotMadeError(f"distributions: more than {LIMITED_MAX}")
        for id in body.distributions:
            if self.catalog.get(ResourceKind.DISTRIBUTION, id) is None:
                raise KeyNotMadeError(f"distributions: there is no distribution {id}")
        with self.catalog.recorded(Authorship(author, f"create_access_key {body.name}")):
            actions = [str(one) for one in body.actions]
            return self.keys.create(body.name, actions, body.distributions)

    async def _reports(self) -> list[AccessKeyReport]:
        known = await self.run(self.keys.all)
        derived = [
            AccessKeyReport(
                id=key.access_key_id,
                name=key.name,
                source="operator",
                usable=True,
                actions=(),
                distributions=(),
                created_at=None,
                last_used_at=self.callers.used_at.get(key.access_key_id),
            )
            for key in self.callers.derived
            if key.access_key_id not in known.deleted
        ]
        used = self.callers.used_at  # known before it is on disk
        made = (replace(one, used_at=used.get(one.id, one.used_at)) for one in known.made)
        return [*derived, *map(_report, made)]


def _report(one: AccessKeyRecord) -> AccessKeyReport:
    return AccessKeyReport(
        id=one.id,
        name=one.name,
        source="control",
        usable=bool(one.secret),
        actions=one.actions,
        distributions=one.distributions,
        created_at=one.created_at,
        last_used_at=one.used_at,
    )


def _find(known: Sequence[AccessKeyReport], wanted: str) -> AccessKeyReport:
    found = next((one for one in known if wanted in (one.id, one.name)), None)
    if found is None:
        names = ", ".join(one.name for one in known) or "none"
        raise NoSuchKeyError(f"there is no access key {wanted[:64]} (known: {names})")
    return found


Admission = Callable[[Request, str], Awaitable[None]]
"""Judges a request for an operation, by name. HTTPException when it is refused."""


class _Named(msgspec.Struct, frozen=True):
    """The distribution that a body names, read as the operation reads it."""

    distribution: str = ""


class SessionJudge(Protocol):
    """Judges requests that browsers make; see `control/dashboard/session_handlers.py`."""

    def admit(self, request: Request, operation: str) -> Caller | None:
        """Who asks by a session's cookie; None: there is no such session. HTTPException."""
        ...


@dataclass(frozen=True, slots=True)
class KeyAdmission:
    """An Admission: by access key where the request is signed, by the cookie of a session where
    there are `sessions`; others are not judged here, and are operators in dev mode.
    """

    callers: CallerAuthentication
    sessions: SessionJudge | None = None

    async def __call__(self, request: Request, operation: str) -> None:
        if not is_signed(request):
            caller = None if self.sessions is None else self.sessions.admit(request, operation)
            if caller is None:
                if self.callers.admits_all and bearer_name(request, self.callers.tokens) is None:
                    request.scope[OPERATOR] = ANYBODY
                return
            body = await bounded_body(request)
        else:
            body = await bounded_body(request)
            try:
                caller = self.callers.authenticate(request, body)
            except ApiError as error:
                raise HTTPException(error.status, f"{error.code}: {error.message}") from None
        self._require_permission(request, operation, caller, body)
        request.scope[OPERATOR] = caller.name

    def _require_permission(
        self, request: Request, operation: str, caller: Caller, body: bytes
    ) -> None:
        permission = REST.get(operation)
        named = ""
        if permission is not None and permission.distribution == BODY:
            named = _named_in(body)
        elif permission is not None:
            named = request.path_params.get(permission.distribution, "")
        if why := refusal(caller.limits, operation, permission, named):
            raise HTTPException(403, f"AccessDenied: {caller.name}: {why}")


def _named_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Named).distribution
    except msgspec.DecodeError:
        return ""  # the operation says what is wrong with it, to whom it may
