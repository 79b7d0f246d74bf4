"""A Starlette application: sessions, redirects, uploads; run by Uvicorn's own command."""

from __future__ import annotations

import hashlib
import uuid

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route


async def facts(request: Request) -> Response:
    """What the site knows of a request, and a cookie unlike any other's."""
    said = {
        "url": str(request.url_for("elsewhere")),
        "secure": request.url.scheme == "https",
        "address": request.client.host if request.client else None,
        "user": request.session.get("user"),
    }
    answer = JSONResponse(said)
    answer.set_cookie("mine", uuid.uuid4().hex)
    return answer


async def elsewhere(request: Request) -> Response:
    """A redirect to a whole URL."""
    return RedirectResponse(request.url_for("facts"))


async def login(request: Request) -> Response:
    """Whoever says its name is that one from here on."""
    request.session["user"] = (await request.body()).decode()
    return RedirectResponse(request.url_for("facts"), 303)


async def upload(request: Request) -> Response:
    """The digest of what was sent."""
    digest = hashlib.sha256()
    async for part in request.stream():
        digest.update(part)
    return JSONResponse({"digest": digest.hexdigest()})


async def style(_request: Request) -> Response:
    """A file that may be kept."""
    return PlainTextResponse("body { color: black }\n" * 100, media_type="text/css")


app = Starlette(
    routes=[
        Route("/facts", facts),
        Route("/elsewhere", elsewhere),
        Route("/login", login, methods=["POST"]),
        Route("/upload", upload, methods=["PUT"]),
        Route("/static/style.css", style),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="only for tests", https_only=True)],
)
