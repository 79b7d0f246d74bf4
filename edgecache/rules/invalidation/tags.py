"""Cache tags: which tags a response has, from Cache-Tag, Surrogate-Key and xkey fields."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgecache.config.model import Distribution
from edgecache.http.message import Fields, combined_value
from edgecache.rules.invalidation.items import TAG, TAG_CHARACTERS_MAX

TAGS_MAX = 50  # of one object; CloudFront ignores those beyond


ALIASES = ("surrogate-key", "cache-tag", "xkey")  # Fastly's, Cloudflare's, Varnish's name for it


_BLANK_OR_COMMA = re.compile(rb"[,\s]+")


def tags_of(fields: Fields, distribution: Distribution) -> tuple[bytes, ...]:
    """The tags an origin's response carries: lower case, each once, at most TAGS_MAX."""
    found: dict[bytes, None] = {}
    if distribution.cache_tag_header:
        listed = combined_value(fields, distribution.cache_tag_header.lower().encode())
        found.update(dict.fromkeys(_tags((listed or b"").split(b","))))
    if distribution.cache_tag_aliases:
        for name in ALIASES:
            value = combined_value(fields, name.encode())
            if value is not None:
                found.update(dict.fromkeys(_tags(_BLANK_OR_COMMA.split(value))))
    return tuple(found)[:TAGS_MAX]


def _tags(members: Iterable[bytes]) -> Iterable[bytes]:
    for member in members:
        tag = member.strip().lower()
        if len(tag) <= TAG_CHARACTERS_MAX and TAG.fullmatch(tag.decode("latin-1")):
            yield tag
