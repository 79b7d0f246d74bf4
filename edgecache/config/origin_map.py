"""Origin map: where connections to origins are made, instead of where their names lead.

Law: where to connect is all that changes. Host, the name TLS asks for, signature and cache key are
as if nothing was mapped, so that a distribution is tested as it is. S3 has two kinds of endpoint,
whose answers differ ("Website endpoints", Amazon S3 User Guide): a pattern is of website endpoints
only if it says so (`*.s3-website*`), as an emulator of the one is not one of the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from edgecache.config.model import Config, Distribution, Origin
from edgecache.config.problems import Problems, quoted

MAP_ENV = "EDGECACHE_ORIGIN_MAP"  # PATTERN=URL, several with commas
PATTERNS_MAX = 200  # as many as CloudFront's distributions of an account
FORM = "http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH"
_PATTERN = re.compile(r"[a-z0-9*_-]([a-z0-9*._-]{0,252})")
_WEBSITE = "s3-website"
_WEBSITE_NAME = re.compile(r".+\.s3-website[.-][a-z0-9-]+\.amazonaws\.com(\.cn)?")
_UNIX = re.compile(r"unix:/[\x21-\x7e]{1,106}")


def check_origin_map(origin_map: Mapping[str, str], where: str, problems: Problems) -> None:
    """Each pattern is one of host names, and each leads to a place."""
    if len(origin_map) > PATTERNS_MAX:
        problems.add(where, f"{len(origin_map)} patterns are more than {PATTERNS_MAX}")
    for pattern, url in origin_map.items():
        place = f'{where}."{pattern}"'
        if not _PATTERN.fullmatch(pattern):
            problems.add(place, f"{quoted(pattern)} is not a host name in lower case, * in it")
        if not is_place(url):
            problems.add(place, f"{quoted(url)} is not {FORM}")


def is_place(url: str) -> bool:
    """Whether a connection can be made there: `FORM`."""
    if _UNIX.fullmatch(url):
        return True
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return False
    bare = not (parts.path or parts.query or parts.fragment) and not re.search(r"[\s?#]", url)
    return parts.scheme in ("http", "https") and named and bare


def read_map(text: str, problems: Problems) -> dict[str, str]:
    """What the variable of the environment says, its patterns in order."""
    found: dict[str, str] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        pattern, equals, url = item.partition("=")
        if not equals:
            problems.add(f'{MAP_ENV}."{item}"', "is not PATTERN=URL")
        else:
            found[pattern] = url
    wrong = len(problems.found)
    check_origin_map(found, MAP_ENV, problems)
    return found if len(problems.found) == wrong else {}  # told once


def with_mapped_origins(config: Config) -> Config:
    """The configuration whose origins say where they are connected to."""
    if not config.origin_map:
        return config
    patterns = [(_compiled(one), url) for one, url in config.origin_map.items()]

    def mapped(origin: Origin) -> Origin:
        url = "" if origin.connect_to else _place_of(origin.domain_name.lower(), patterns)
        # It is what the file or the environment says, and may lead where those may.
        return replace(origin, connect_to=url, reach="private") if url else origin

    def with_mapped(site: Distribution) -> Distribution:
        return replace(site, origins=tuple(map(mapped, site.origins)))

    return replace(config, distributions=tuple(map(with_mapped, config.distributions)))


def _compiled(pattern: str) -> tuple[re.Pattern[str], bool]:
    """The names of a pattern, and whether it is of website endpoints of S3."""
    steps = (re.escape(step) for step in pattern.split("*"))
    return re.compile(".*".join(steps)), _WEBSITE in pattern


def _place_of(name: str, patterns: list[tuple[tuple[re.Pattern[str], bool], str]]) -> str:
    """Where the first pattern of a name leads; empty where none is."""
    is_website = _WEBSITE_NAME.fullmatch(name) is not None
    for (pattern, of_websites), url in patterns:
        if pattern.fullmatch(name) and (of_websites or not is_website):
            return url
    return ""
