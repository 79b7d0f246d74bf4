"""The dashboard's page and its files: read once, named by their digests, with a strict policy.

Law: the page has no data in it, so anybody who may reach control gets it; nothing is read from disk
for a request, and a name that was not there at the start is not found.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.control.rest.call import RouteHandler

ASSETS = Path(__file__).parent / "assets"
INDEX = "index.html"
FILE_BYTES_MAX = 1024 * 1024
FILES_MAX = 64  # with folders
DIGEST_CHARS = 16  # of a file's SHA-256: 64 bits tell versions of one file apart
FOREVER = "public, max-age=31536000, immutable"
TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".json": "application/json",
    ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
}  # fmt: skip
_NAME = re.compile(r"([A-Za-z0-9._-]+/)?[A-Za-z0-9_-][A-Za-z0-9._-]*")
# Comments that tell readers of the source what a thing is: browsers need not load them.
_DOCSTRING = re.compile(rb"^[ ]*/\*\*.*?\*/\n", re.DOTALL | re.MULTILINE)
_HASH = re.compile(rb"\{\{hash:([A-Za-z0-9._/-]+)\}\}")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAGE_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class PageFile(NamedTuple):
    """A file as it is sent: its type, content, that by gzip where it is shorter, and digest."""

    type: str
    content: bytes
    zipped: bytes
    digest: str

    @classmethod
    def of(cls, name: str, content: bytes) -> PageFile:
        """That of a content."""
        digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARS]
        zipped = gzip.compress(content, 9, mtime=0)
        if len(zipped) >= len(content):
            zipped = b""
        return cls(TYPES[Path(name).suffix], content, zipped, digest)


class PageFiles:
    """The files below a folder, by their names there."""

    def __init__(self, folder: Path = ASSETS) -> None:
        contents = dict(_contents(folder))
        index = contents.pop(INDEX, None)
        self._files = {name: PageFile.of(name, content) for name, content in contents.items()}
        if index is not None:
            self._files[INDEX] = PageFile.of(INDEX, self._with_digests(index))

    @property
    def size_bytes(self) -> int:
        """What they hold."""
        return sum(len(one.content) + len(one.zipped) for one in self._files.values())

    def handlers(self) -> Mapping[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {"dashboard_page": self.page, "dashboard_asset": self.asset}

    async def page(self, request: Request) -> Response:
        return self._answer(request, INDEX)

    async def asset(self, request: Request) -> Response:
        return self._answer(request, request.path_params["name"])

    def find(self, name: str) -> PageFile | None:
        """The file of a name."""
        return self._files.get(name)

    def _answer(self, request: Request, name: str) -> Response:
        file = self.find(name)
        if file is None:
            raise HTTPException(404, "there is no such file of the dashboard")
        tag = f'"{file.digest}"'
        lasting = name != INDEX and request.query_params.get("v") == file.digest
        headers = PAGE_HEADERS | {
            "etag": tag,
            "cache-control": FOREVER if lasting else "no-cache",
            "vary": "accept-encoding",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if file.zipped and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(file.zipped, headers=headers, media_type=file.type)
        return Response(file.content, headers=headers, media_type=file.type)

    def _with_digests(self, index: bytes) -> bytes:
        """The page with the digests of the files that it names."""

        def digest(match: re.Match[bytes]) -> bytes:
            return self._files[match[1].decode()].digest.encode()

        return _HASH.sub(digest, index)


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files by their names, at most one folder deep; what a packager left there is none."""
    for path in sorted(folder.rglob("*"))[:FILES_MAX]:
        name = path.relative_to(folder).as_posix()
        if path.suffix in TYPES and _NAME.fullmatch(name) and path.is_file():
            content = path.read_bytes()
            if len(content) <= FILE_BYTES_MAX:
                yield name, _DOCSTRING.sub(b"", content) if path.suffix == ".js" else content
