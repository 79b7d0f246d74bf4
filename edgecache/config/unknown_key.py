"""What to say of a key that no table of a configuration has at that place.

Law: where it is known somewhere else, that is said; else what is spelled like it.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator
from typing import Any, Union, get_args, get_origin

import msgspec

from edgecache.config.base import Model
from edgecache.config.problems import quoted

PLACES_MAX = 2  # told of one key
ONE_LETTER = 0.93  # of likeness: a plural, a slip in a long word
LIKENESS_MIN = 0.75
NOT_OF_FILES = ("unavailable", "releases", "kept")  # control's to say
# Words of CloudFront's JSON whose names here are not the same in snake case, and others' words; of
# several, the one that the table has.
OTHER_WORDS = {
    "DefaultTTL": "ttl_s_default",
    "MinTTL": "ttl_s_min",
    "MaxTTL": "ttl_s_max",
    "TargetOriginId": "origin",
    "IsIPV6Enabled": "ipv6_enabled",
    "HeaderName": "cache_tag_header",
    "ResponseCompletionTimeout": "completion_timeout_s",
    "RealtimeLogConfigArn": "realtime_log",
    "OriginAccessIdentity": "access_identity",
    "OriginAccessControlId": "access_control_id",
    "SamplingRate": "server_timing_percent",
    "AccessControlMaxAgeSec": "max_age_s",
    "Header": "name",
    "Forward": "cookies",
    "WhitelistedNames": "cookie_names",
    "FunctionARN": "function",
    "LambdaFunctionARN": "function_arn",
    "ErrorCachingMinTTL": "error_caching_ttl_s_min",
    "RestrictionType": "kind",
    "KeyValueStoreAssociations": "key_value_stores",
    "EncodedKey": "pem",
    "EndPoints": "stream",
    "Items": "countries keys",
    "OriginAccessControlOriginType": "origin_type",
    "certificate": "certificate_file",
    "cert": "certificate_file",
    "key": "key_file",
    "tls": "listen_tls",
    "ssl": "listen_tls",
    "bind": "listen",
    "memory": "memory_bytes",
    "upstream": "origins",
    "backend": "origins",
    "host": "aliases",
    "hosts": "aliases",
    "server_names": "aliases",
}


def unknown_key(key: str, known: Iterable[str], whole: type[Model]) -> str:
    """The message for `key` in a table that has `known` ones, of a file that is a `whole`."""
    here = [*known]
    words = [*_words(key)]
    for word in words:
        if word in here:
            return f"unknown key (did you mean {quoted(word)}?)"
    nearly = difflib.get_close_matches(key, here, n=1, cutoff=ONE_LETTER)
    if nearly:  # rather than what is spelled so elsewhere
        return f"unknown key (did you mean {quoted(nearly[0])}?)"
    every: dict[str, dict[str, None]] = {}
    for name, place in _keys(whole, ""):
        every.setdefault(name, {})[place] = None
    for word in words:
        if word in every:
            return f"unknown key: {word} belongs to {_listed([*every[word]])}"
    word = words[-1]
    close = difflib.get_close_matches(key, here, n=1, cutoff=0.7)
    if close:
        return f"unknown key (did you mean {quoted(close[0])}?)"
    close = difflib.get_close_matches(word, every, n=1, cutoff=LIKENESS_MIN)
    if close:
        return f"unknown key (did you mean {close[0]} of {_listed([*every[close[0]]])}?)"
    return f"unknown key (known: {', '.join(sorted(here))})" if len(here) <= 12 else "unknown key"


def _words(key: str) -> Iterator[str]:
    """What `key` may be called here: as CloudFront's members or others' words are, the whole last.

    `HTTPPort` is http_port, `CookiesConfig` cookies, `OriginReadTimeout` read_timeout_s.
    """
    if key in OTHER_WORDS:
        yield from OTHER_WORDS[key].split()
    snake = _snake(key)
    yield snake
    if snake == key:
        return
    short = snake
    for start in ("is_", "origin_shield_", "origin_access_control_", "origin_", "access_control_",
                  "cache_"):  # fmt: skip
        short = short.removeprefix(start)
    for end in ("_config", "_headers_config"):
        yield from (one.removesuffix(end) for one in (short, snake) if one.endswith(end))
    yield short
    yield f"{short}_s"
    yield snake


def _snake(word: str) -> str:
    """`ViewerProtocolPolicy` as it is spelled here."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).lower()


def _listed(places: list[str]) -> str:
    more = " and others" if len(places) > PLACES_MAX else ""
    return " or ".join(places[:PLACES_MAX]) + more


def _keys(model: type[Model], path: str, *, many: bool = False) -> Iterator[tuple[str, str]]:
    """Every key below `model`, with the table it stands in as a file spells it."""
    place = f"[[{path}]]" if many else f"[{path}]" if path else "the top of the file"
    fields = [one for one in msgspec.structs.fields(model) if one.name not in NOT_OF_FILES]
    for field in fields:
        yield field.encode_name, place
    for field in fields:
        for inner, of_many in _models(field.type):
            yield from _keys(inner, f"{path}.{field.encode_name}".lstrip("."), many=of_many)


def _models(kind: Any, *, many: bool = False) -> Iterator[tuple[type[Model], bool]]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _models(one)
    elif origin is tuple:
        yield from _models(get_args(kind)[0], many=True)
    elif isinstance(kind, type) and issubclass(kind, Model):
        yield kind, many
