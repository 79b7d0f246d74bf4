"""Semantics: named switches in which the rules of RFC 9111 and those of CloudFront differ.

Law: no module but those of `config` asks for the name of a semantics; the others read a switch of
`Route.semantics`. `docs/semantics.md` is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple, get_type_hints

from msgspec import Struct

from edgecache.config.model import SemanticsName


class Switch(NamedTuple):
    """A difference of semantics: the one it is on in, its source, and what on means.

    Sources without an RFC are pages of the CloudFront Developer Guide, or of `docs/`.
    """

    on: SemanticsName
    source: str
    meaning: str


class Semantics(Struct, frozen=True, kw_only=True):
    """The switches of one semantics, each with what it means when it is on."""

    # The key.
    whole_target_in_key: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §2",
            "The key is the target URI, host and whole query, whatever the cache policy says.",
        ),
    ]
    scheme_in_key: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §2",
            "`http` and `https` are two objects; `X-Forwarded-Proto` counts as the scheme.",
        ),
    ]
    vary_selects: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §4.1",
            "One key holds several responses, selected by the request fields their `Vary` names.",
        ),
    ]
    refetches_vary_any: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Request and response behavior for custom origins",
            "`Vary: *` is stored and fetched in full at each use; else it is not stored.",
        ),
    ]
    # Freshness and storing.
    policy_ttls_decide: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Manage how long content stays in the cache (expiration)",
            "The cache policy's MinTTL, DefaultTTL and MaxTTL bound what the origin says of storing"
            " and freshness; all three 0 switch caching off. Else RFC 9111 §3 and §4.2 decide.",
        ),
    ]
    caches_options: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Cached HTTP methods",
            "Responses to OPTIONS are stored where the behavior's cached methods name it.",
        ),
    ]
    post_answers_get: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9110 §9.3.3",
            "A POST's 200 with its own URI in `Content-Location` and a lifetime answers GETs.",
        ),
    ]
    unsafe_methods_invalidate: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §4.4",
            "A successful write removes what is stored of the URIs it changed.",
        ),
    ]
    caches_failures: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Control how long CloudFront caches errors",
            "An origin that fails is left alone for ErrorCachingMinTTL by who asks for the same.",
        ),
    ]
    # Reuse.
    viewer_directives_count: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §5.2.1, §5.4",
            "The request's own `Cache-Control` and `Pragma` bear on what it is answered with.",
        ),
    ]
    forwarded_cookies_are_personal: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Cache content based on cookies; Request collapsing",
            "Where cookies are forwarded, nothing is validated and no request waits for another's.",
        ),
    ]
    drops_unforwarded_cookies: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Cache content based on cookies",
            "`Set-Cookie` is taken out of responses where no cookie is forwarded.",
        ),
    ]
    # What the origin is asked.
    policies_forward: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Control origin requests with a policy",
            "Cache and origin request policy name what is forwarded; else every end-to-end field is"
            " that an origin may be relied on to name in `Vary`.",
        ),
    ]
    forwards_ranges: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9111 §3.3; decision 002",
            "A single range that is not stored is asked for alone, and kept as a part.",
        ),
    ]
    fills_user_agent: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Request and response behavior for custom origins",
            "`User-Agent` is `Amazon CloudFront` unless the viewer's is forwarded; `X-Amz-Cf-Id`.",
        ),
    ]
    tells_forwarded_host: Annotated[
        bool,
        Switch(
            "rfc9111",
            "docs/request.md",
            "Origins hear host, scheme and port of the viewer in `X-Forwarded-Host`, `-Proto` and"
            " `-Port` of our own.",
        ),
    ]
    retries_late_responses: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Origin response timeout",
            "A GET or HEAD the origin is late to answer is asked again, up to the attempts.",
        ),
    ]
    breaks_circuits: Annotated[
        bool,
        Switch(
            "rfc9111",
            "docs/operating.md",
            "An origin that cannot be reached is left alone for a while where `circuit_breaker` is"
            " not set.",
        ),
    ]
    # Admission.
    any_method_passes: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 9110 §9.1",
            "Every method but TRACE passes, whatever the behavior's allowed methods are.",
        ),
    ]
    loops_are_508: Annotated[
        bool,
        Switch(
            "rfc9111",
            "RFC 8586 §2; RFC 5842 §7.2",
            "A request that has passed here too often gets 508; else 403, as CloudFront's does.",
        ),
    ]
    oversized_heads_are_494: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Quotas",
            "A request's head beyond `head_bytes_max` is answered 494; else 431 (RFC 6585 §5).",
        ),
    ]
    limits_object_size: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Quotas",
            "An object beyond CloudFront's largest cacheable size is an error where caching is on.",
        ),
    ]
    # What the viewer gets, and what is made of it.
    compresses: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Serve compressed files; decisions 004, 019",
            "What the behavior's `compress` and CloudFront's list admit is compressed.",
        ),
    ]
    makes_viewer_headers: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Add CloudFront request headers",
            "`CloudFront-` fields a policy names are made here, and a viewer's are dropped.",
        ),
    ]
    edits_vary_and_server: Annotated[
        bool,
        Switch(
            "cloudfront",
            "Request and response behavior for custom origins",
            "`Vary` loses the names that are not forwarded, and `Server` names us where the origin"
            " does not name itself.",
        ),
    ]
    offers_ranges: Annotated[
        bool,
        Switch(
            "cloudfront",
            "How CloudFront processes partial requests for an object",
            "`Accept-Ranges: bytes` is added to what comes from the cache, unless it is coded.",
        ),
    ]


def switches() -> Mapping[str, Switch]:
    """Every switch by its name, in the order of the table."""
    hints = get_type_hints(Semantics, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _semantics(name: SemanticsName) -> Semantics:
    return Semantics(**{switch: row.on == name for switch, row in switches().items()})


RFC9111 = _semantics("rfc9111")
CLOUDFRONT = _semantics("cloudfront")
SEMANTICS: Mapping[SemanticsName, Semantics] = {"rfc9111": RFC9111, "cloudfront": CLOUDFRONT}
