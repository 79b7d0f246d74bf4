"""Configuration file of one site in front of one origin, written out with comments.

`serve` runs it, `serve --save` and `init` keep it. Law: what is written passes `check`, and a
caller's text stands in it as text, whatever is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from edgecache.config.checks.distribution import ID
from edgecache.config.model import SemanticsName

ANY_NAME = "*"
SITE_ID = "site"  # of a distribution for any host
LOCATION = "edgecache"
METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")

_RULES = {
    "rfc9111": (
        "An answer is shared as RFC 9111 says: by URL, and by what its Vary names. The origin is\n"
        "sent all that a viewer sends, cookies too: it marks pages of one person as private."
    ),
    "cloudfront": (
        "An answer is shared by what the cache policy names, and the origin is sent nothing else\n"
        "of a request: no cookie unless it is named."
    ),
}


@dataclass(frozen=True, slots=True)
class SiteFile:
    """What the file is made of. Paths are relative to the working folder, or absolute."""

    origin: str  # http://HOST[:PORT][/PATH] or https://..., whose form is checked already
    names: tuple[str, ...] = (ANY_NAME,)
    listen: str = "127.0.0.1:8080"
    listen_tls: str = ""
    certificate_file: str = ""
    key_file: str = ""
    workers: int = 1
    semantics: SemanticsName = "rfc9111"
    state_dir: str = "var"
    control: str = "127.0.0.1:8090"
    ca_file: str = ""
    server_name: str = ""
    underscores: bool = False

    @property
    def id(self) -> str:
        """The distribution's id: its first name, where it has one that can be an id."""
        first = self.names[0] if self.names else ANY_NAME
        return first if ID.fullmatch(first) else SITE_ID

    def text(self, path: Path, heading: str) -> str:
        """The file as it stands at `path`; `heading` says on its first lines what it is."""
        here = self._seen_from(path.absolute().parent)
        parts = (
            here._head(path, heading),
            here._processes(),
            here._distribution(),
            here._origin(),
            here._certificate(),
            here._behavior(),
        )
        return "\n".join("".join(f"{line}\n" for line in part) for part in map(list, parts) if part)

    def _seen_from(self, folder: Path) -> SiteFile:
        """Paths below the file's folder are written from there, others from the root."""

        def seen(path: str) -> str:
            if not path:
                return ""
            whole = Path(os.path.abspath(path))
            return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)

        return replace(
            self,
            state_dir=seen(self.state_dir),
            certificate_file=seen(self.certificate_file),
            key_file=seen(self.key_file),
            ca_file=seen(self.ca_file),
        )

    def _head(self, path: Path, heading: str) -> Iterator[str]:
        option = "" if path.name == "edgecache.toml" else f" -c {path.name}"
        yield from (f"# {line}".rstrip() for line in heading.splitlines())
        yield "#"
        yield f"#   edgecache check {path.name}"
        yield f"#   edgecache up{option}"
        yield f"#   edgecache invalidate{option} {self.id} '/*'    # what is stored is gone"
        yield f"#   edgecache reload{option}    # after a change here: no request is lost"
        yield "#"
        yield '# Paths are relative to this file; sizes may be "256 MiB", times "5m". Every number:'
        yield "# edgecache check --settings"
        yield ""
        yield f"state_dir = {toml(self.state_dir)} # keys, what control knows, access logs"
        yield f'brand = "{LOCATION}" # as in X-Cache: Hit from {LOCATION}'

    def _processes(self) -> Iterator[str]:
        yield "# Invalidations, reload, and metrics for Prometheus at /metrics. Who runs it needs"
        yield "# no token on this machine; over a network everybody does (edgecache token)."
        yield "[control]"
        yield f"listen = {toml(self.control)}"
        yield ""
        yield "[[locations]]"
        yield f'name = "{LOCATION}" # as in X-Amz-Cf-Pop'
        yield f"listen = {toml(self.listen)} # where viewers come"
        if self.listen_tls:
            yield f"listen_tls = {toml(self.listen_tls)}"
        else:
            yield '# listen_tls = "127.0.0.1:8443" # with TLS: certificate below, or one made here'
        yield f"workers = {self.workers} # processes that share the port: one for each core"
        yield 'memory_bytes = "256 MiB" # of each worker, for what it stores and what is under way'
        if self.underscores:
            yield ""
            yield "[limits]"
            yield "underscores_in_headers = true # request fields with _ in their names pass"

    def _distribution(self) -> Iterator[str]:
        yield "[[distributions]]"
        yield f"id = {toml(self.id)} # as in: edgecache invalidate {self.id} '/*'"
        names = ", ".join(map(toml, self.names))
        yield f"aliases = [{names}] # names it answers to; " + '"*" is any, "*.example.org" too'
        yield from (f"# {line}" for line in _RULES[self.semantics].splitlines())
        yield f"semantics = {toml(self.semantics)} # or {toml(_other(self.semantics))}"

    def _origin(self) -> Iterator[str]:
        parts = urlsplit(self.origin)
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        yield "[[distributions.origins]]"
        yield 'id = "origin"'
        yield f"domain_name = {toml(f'[{host}]' if ':' in host else host)}"
        if secure:
            yield f"https_port = {parts.port or 443}"
        else:
            yield f"http_port = {parts.port or 80}"
        yield f"protocol_policy = {toml('https-only' if secure else 'http-only')}"
        if parts.path.rstrip("/"):
            yield f"path = {toml(parts.path.rstrip('/'))} # before every path it is asked for"
        if self.ca_file:
            yield f"ca_file = {toml(self.ca_file)} # authorities that its certificate is from"
        if self.server_name:
            yield f"server_name = {toml(self.server_name)} # asked for, and to be proven"

    def _certificate(self) -> Iterator[str]:
        if self.certificate_file:
            yield "[distributions.viewer_certificate]"
            yield f"certificate_file = {toml(self.certificate_file)} # with what leads to its root"
            yield f"key_file = {toml(self.key_file)}"
        else:
            yield "# For the names above, with listen_tls; without, a development authority signs:"
            yield "# [distributions.viewer_certificate]"
            yield '# certificate_file = "fullchain.pem"'
            yield '# key_file = "privkey.pem"'

    def _behavior(self) -> Iterator[str]:
        yield "[distributions.default_behavior]"
        yield 'origin = "origin"'
        yield f"allowed_methods = [{', '.join(map(toml, METHODS))}]"
        yield '# viewer_protocol_policy = "redirect-to-https" # with listen_tls'
        if self.semantics == "rfc9111":
            yield 'origin_request_policy = "Managed-AllViewer"'
        yield 'cache_policy.headers = { behavior = "whitelist", items = ["Host"] }'
        yield 'cache_policy.query_strings = { behavior = "all" }'


def toml(text: str) -> str:
    """Text as a basic string of TOML (v1.0.0, "String"): JSON's, but for one character.

    It names no variable of the environment (`sources`).
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f").replace("${", "$${")


def _other(semantics: str) -> str:
    return "cloudfront" if semantics == "rfc9111" else "rfc9111"
