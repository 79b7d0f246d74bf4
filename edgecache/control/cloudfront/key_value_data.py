"""CloudFront KeyValueStore: the service by which what stores hold is read and put.

API reference, CloudFront KeyValueStore, 2022-07-26: REST with JSON, signed by Signature Version 4A
(4 is taken, too). Its clients put the account before the host they were given, so any name of it
will do. Law: a write names the version it was made for, and is one version whole or nothing.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.config.key_value_stores import STORE_BYTES_MAX, item_problem
from edgecache.control.cloudfront.authentication import Caller, CallerAuthentication
from edgecache.control.cloudfront.context import READS, ApiServices, arn
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.key_value_stores import KIND, READY, store_of_arn
from edgecache.control.rest.call import bounded_body
from edgecache.control.state.database import Authorship, StateBusyError
from edgecache.control.state.database_thread import BUSY, RETRY_AFTER
from edgecache.control.state.key_values import KeyValueFacts
from edgecache.control.state.resources import Resource, ResourceSource
from edgecache.rules.permissions import KEY_VALUES, refusal

logger = logging.getLogger("edgecache.control")

SERVICE = "cloudfront-keyvaluestore"
PATH = "/key-value-stores/"
METHODS = ["DELETE", "GET", "POST", "PUT"]
PAGE_DEFAULT, PAGE_MAX = 10, 50  # ListKeys, MaxResults
UPDATE_KEYS_MAX = 50  # CloudFront's quota for one call; its 3 MB are more than these can have
STATUSES = {  # of the model; Throttling and unavailability are every service's
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "InternalServerException": 500,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_ETAG = re.compile(r"[A-Za-z0-9]{1,64}")


class KeyValueError(Exception):
    """Why a call is refused: a type of the model, and a message."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message


class _Put(msgspec.Struct, frozen=True):
    Key: str
    Value: str


class _Delete(msgspec.Struct, frozen=True):
    Key: str


class _PutKeyBody(msgspec.Struct, frozen=True):
    Value: str


class _UpdateKeysBody(msgspec.Struct, frozen=True):
    Puts: list[_Put] = []
    Deletes: list[_Delete] = []


@dataclass(frozen=True, slots=True)
class KeyValueCall:
    """One call: its operation, the store's ARN, and what else it says."""

    services: ApiServices
    operation: str
    arn: str
    key: str
    query: Mapping[str, str]
    if_match: str
    body: bytes
    author: str

    def by(self, store: Resource) -> Authorship:
        return Authorship(self.author, f"{self.operation} {store.name}")


@dataclass(frozen=True, slots=True)
class KeyValueAnswer:
    """The members of an answer's body, and the version that goes into its ETag."""

    members: dict[str, Any] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class KeyValueEndpoint:
    """The HTTP endpoint of the service. `random` gives bytes."""

    services: ApiServices
    callers: CallerAuthentication
    random: Callable[[int], bytes]

    def route(self) -> Route:
        return Route(f"{PATH}{{rest:path}}", self.answer, methods=METHODS)

    async def answer(self, request: Request) -> Response:
        id = str(uuid.UUID(bytes=self.random(16), version=4))
        try:
            response = await self._answered(request)
        except KeyValueError as error:
            response = _error_response(error)
        except StateBusyError:
            response = _error_response(KeyValueError("ServiceUnavailableException", BUSY))
            response.headers["retry-after"] = RETRY_AFTER
        except ClientDisconnect:
            response = Response()  # nobody reads it
        except Exception:
            logger.exception("request %s failed", id)
            unknown = "An unknown error has occurred."
            response = _error_response(KeyValueError("InternalServerException", unknown))
        response.headers["x-amzn-requestid"] = id
        return response

    async def _answered(self, request: Request) -> Response:
        try:
            body = await bounded_body(request)
        except HTTPException as error:
            raise KeyValueError("ValidationException", error.detail) from None
        try:
            caller = self.callers.authenticate(request, body, SERVICE)
        except ApiError as error:
            type = "ThrottlingException" if error.code == "Throttling" else "AccessDeniedException"
            raise KeyValueError(type, f"{error.code}: {error.message}") from None
        call = _call(self.services, request, body, caller)
        function = OPERATIONS[call.operation]
        run = self.services.run if request.method in READS else self.services.change
        answer = await run(partial(function, call))
        headers = {"etag": answer.etag} if answer.etag else {}
        content = msgspec.json.encode(answer.members)
        return Response(content, media_type="application/json", headers=headers)


def _call(services: ApiServices, request: Request, body: bytes, caller: Caller) -> KeyValueCall:
    """What is asked for, if the caller may. ValidationException: no such operation."""
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    arn, *rest = path.removeprefix(PATH).split("/")
    operation = _BY_PLACE.get((request.method, len(rest)), "")
    if not operation or rest[:1] not in ([], ["keys"]):
        raise KeyValueError(
            "ValidationException", f"{request.method} {path} is no operation of {SERVICE}."
        )
    why = refusal(caller.limits, operation, KEY_VALUES[operation], "")
    if why:
        raise KeyValueError("AccessDeniedException", f"{caller.name}: {why}")
    query = request.scope["query_string"].decode("latin-1")
    return KeyValueCall(
        services,
        operation,
        unquote(arn),
        unquote(rest[1]) if len(rest) == 2 else "",
        dict(parse_qsl(query, keep_blank_values=True)),
        request.headers.get("if-match", ""),
        body,
        caller.name,
    )


_BY_PLACE = {
    ("GET", 0): "DescribeKeyValueStore",
    ("GET", 1): "ListKeys",
    ("POST", 1): "UpdateKeys",
    ("GET", 2): "GetKey",
    ("PUT", 2): "PutKey",
    ("DELETE", 2): "DeleteKey",
}
"""The operation of a method and of so many segments after the ARN."""


def describe(call: KeyValueCall) -> KeyValueAnswer:
    store, facts = _store(call)
    members = _sizes(facts) | {
        "KvsARN": arn(store),
        "Created": facts.created_at,
        "LastModified": facts.modified_at,
        "Status": READY,
    }
    return KeyValueAnswer(members, call.services.catalog.key_values.etag(facts))


def list_keys(call: KeyValueCall) -> KeyValueAnswer:
    """A page of items, by key; the token of the next is its last key."""
    _, facts = _store(call)
    given = call.query.get("MaxResults", str(PAGE_DEFAULT))
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= PAGE_MAX:
        raise KeyValueError("ValidationException", f"MaxResults must be 1 to {PAGE_MAX}.")
    token = call.query.get("NextToken", "")
    if "\0" in token:
        raise KeyValueError("ValidationException", "NextToken is none of this service's.")
    rows = call.services.catalog.key_values.page(facts.id, token, int(given) + 1)
    items = [{"Key": key, "Value": value} for key, value in rows[: int(given)]]
    members: dict[str, Any] = {"Items": items}
    if len(rows) > int(given):
        members["NextToken"] = items[-1]["Key"]
    return KeyValueAnswer(members)


def get_key(call: KeyValueCall) -> KeyValueAnswer:
    _, facts = _store(call)
    value = _value(call, facts)
    return KeyValueAnswer({"Key": call.key, "Value": value} | _sizes(facts))


def put_key(call: KeyValueCall) -> KeyValueAnswer:
    return _written(call, {call.key: _read(call, _PutKeyBody).Value}, set())


def delete_key(call: KeyValueCall) -> KeyValueAnswer:
    """Delete a key that is there; ResourceNotFoundException."""
    _, facts = _store(call)
    _require_current(call, facts)
    _value(call, facts)
    return _written(call, {}, {call.key})


def update_keys(call: KeyValueCall) -> KeyValueAnswer:
    """Put and delete several keys as one version; one to delete need not be there."""
    body = _read(call, _UpdateKeysBody)
    named = [*(one.Key for one in body.Puts), *(one.Key for one in body.Deletes)]
    if not named:
        raise KeyValueError("ValidationException", "There are neither Puts nor Deletes.")
    if len(named) > UPDATE_KEYS_MAX:
        raise KeyValueError("ValidationException", f"More than {UPDATE_KEYS_MAX} keys in one call.")
    if len(set(named)) != len(named):
        raise KeyValueError("ValidationException", "A key is named twice.")
    puts = {one.Key: one.Value for one in body.Puts}
    return _written(call, puts, {one.Key for one in body.Deletes})


OPERATIONS: dict[str, Callable[[KeyValueCall], KeyValueAnswer]] = {
    "DescribeKeyValueStore": describe,
    "ListKeys": list_keys,
    "GetKey": get_key,
    "PutKey": put_key,
    "DeleteKey": delete_key,
    "UpdateKeys": update_keys,
}


def _written(call: KeyValueCall, puts: dict[str, str], deletes: set[str]) -> KeyValueAnswer:
    """The next version, with these changes."""
    store, facts = _store(call)
    _require_current(call, facts)
    if store.source is not ResourceSource.API:
        raise KeyValueError(
            "AccessDeniedException",
            f"The key value store {store.name} is declared in the configuration file: change what "
            "it holds there.",
        )
    for key, value in (*puts.items(), *((key, "") for key in deletes)):
        if trouble := item_problem(key, value):
            raise KeyValueError("ValidationException", f"{trouble}.")
    catalog = call.services.catalog
    changed = catalog.key_values.update(facts, puts, deletes, catalog.clock(), call.by(store))
    if changed.bytes > STORE_BYTES_MAX and changed.bytes > facts.bytes:
        raise KeyValueError(  # what was written is not committed
            "ServiceQuotaExceededException",
            f"The store would have {changed.bytes} bytes, more than {STORE_BYTES_MAX}.",
        )
    return KeyValueAnswer(_sizes(changed), catalog.key_values.etag(changed))


def _store(call: KeyValueCall) -> tuple[Resource, KeyValueFacts]:
    catalog, id = call.services.catalog, store_of_arn(call.arn)
    store = catalog.get(KIND, id) if id else None
    facts = catalog.key_values.facts(id) if store is not None else None
    if store is None or facts is None:
        raise KeyValueError(
            "ResourceNotFoundException", f"There is no key value store {call.arn[:128]}."
        )
    return store, facts


def _value(call: KeyValueCall, facts: KeyValueFacts) -> str:
    found = None
    if "\0" not in call.key:
        found = call.services.catalog.key_values.value(facts.id, call.key)
    if found is None:
        raise KeyValueError("ResourceNotFoundException", "The key is not in the key value store.")
    return found


def _require_current(call: KeyValueCall, facts: KeyValueFacts) -> None:
    if not _ETAG.fullmatch(call.if_match):
        raise KeyValueError("ValidationException", "If-Match is missing or no version.")
    if call.if_match != call.services.catalog.key_values.etag(facts):
        raise KeyValueError(
            "ConflictException", "If-Match names another version than the current one."
        )


def _read(call: KeyValueCall, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(call.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeyValueError("ValidationException", f"The body: {error}.") from None


def _sizes(facts: KeyValueFacts) -> dict[str, Any]:
    return {"ItemCount": facts.items, "TotalSizeInBytes": facts.bytes}


def _error_response(error: KeyValueError) -> Response:
    """A refusal, in the form of REST with JSON."""
    content = msgspec.json.encode({"Message": error.message})
    headers = {"x-amzn-errortype": error.type}
    return Response(content, STATUSES[error.type], headers, "application/json")
