"""Admission to the REST API by access key: signed as to CloudFront's, and bound by its limits.

Law: who comes with a signature is judged by it alone, before anything else is read of the request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest.auth import OPERATOR, is_signed
from edgecache.control.rest.call import bounded_body
from edgecache.rules.permissions import BODY, REST, refusal

Admission = Callable[[Request, str], Awaitable[None]]
"""Judges a request for an operation, by name. HTTPException when it is refused."""


class _Named(msgspec.Struct, frozen=True):
    """The distribution that a body names, read as the operation reads it."""

    distribution: str = ""


@dataclass(frozen=True, slots=True)
class KeyAdmission:
    """An Admission: by access key where the request is signed; others are not judged here."""

    callers: CallerAuthentication

    async def __call__(self, request: Request, operation: str) -> None:
        if not is_signed(request):
            return
        body = await bounded_body(request)
        try:
            caller = self.callers.authenticate(request, body)
        except ApiError as error:
            raise HTTPException(error.status, f"{error.code}: {error.message}") from None
        permission = REST.get(operation)
        named = ""
        if permission is not None and permission.distribution == BODY:
            named = _named_in(body)
        elif permission is not None:
            named = request.path_params.get(permission.distribution, "")
        if why := refusal(caller.limits, operation, permission, named):
            raise HTTPException(403, f"AccessDenied: {caller.name}: {why}")
        request.scope[OPERATOR] = caller.name


def _named_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Named).distribution
    except msgspec.DecodeError:
        return ""  # the operation says what is wrong with it, to whom it may
