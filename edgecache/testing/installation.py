"""The installation that a test has: origins, distributions, keys and the clock.

Law: the same test does the same in process and over real processes; what one of them cannot do is
refused and says where it can be done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edgecache.control.state.resources import ResourceKind
from edgecache.testing.distribution_document import (
    Document,
    OriginAddress,
    distribution_input,
    resource_config,
)
from edgecache.testing.scripted_origin import ScriptedOrigin, origin_answer, seconds
from edgecache.testing.site import ANSWERS_KEPT, SiteAnswer, SiteUnderTest
from edgecache.testing.viewer_exchange import ViewerRequest, ViewerResponse

if TYPE_CHECKING:
    from edgecache.control.rest.explain import ExplainReport
    from edgecache.rules.invalidation.items import Item
    from edgecache.rules.private.signer import Signer

Mode = Literal["in_process", "processes"]
MODES: tuple[Mode, ...] = ("in_process", "processes")
ORIGINS_MAX = 100  # of one test; each has a port and a thread over real processes
SIGNED_S = 3_600.0

CREATED: dict[str, tuple[ResourceKind, str, str]] = {
    "cache-policy": (ResourceKind.CACHE_POLICY, "CreateCachePolicy", "CachePolicyConfig"),
    "origin-request-policy": (
        ResourceKind.ORIGIN_REQUEST_POLICY,
        "CreateOriginRequestPolicy",
        "OriginRequestPolicyConfig",
    ),
    "response-headers-policy": (
        ResourceKind.RESPONSE_HEADERS_POLICY,
        "CreateResponseHeadersPolicy",
        "ResponseHeadersPolicyConfig",
    ),
    "public-key": (ResourceKind.PUBLIC_KEY, "CreatePublicKey", "PublicKeyConfig"),
    "key-group": (ResourceKind.KEY_GROUP, "CreateKeyGroup", "KeyGroupConfig"),
    "origin-access-control": (
        ResourceKind.ACCESS_CONTROL,
        "CreateOriginAccessControl",
        "OriginAccessControlConfig",
    ),
}
"""What `Edgecache.create` makes: the kind, CloudFront's operation, and the member it takes."""


class InstallationUnderTest(Protocol):
    """What stands behind a test: `InProcessInstallation`, or one of real processes."""

    @property
    def mode(self) -> Mode: ...
    @property
    def locations(self) -> Sequence[str]: ...
    def now(self) -> float: ...
    def advance(self, seconds: float) -> None: ...
    def serve(self, origin: ScriptedOrigin) -> None: ...
    def create(self, kind: ResourceKind, config: Document) -> str: ...
    def create_function(self, name: str, code: str, runtime: str) -> None: ...
    def distribute(
        self, config: Document, addresses: Mapping[str, OriginAddress]
    ) -> tuple[str, str]: ...
    def ask(self, requests: Sequence[ViewerRequest]) -> list[ViewerResponse]: ...
    def invalidate(self, distribution: str, items: tuple[Item, ...], *, soft: bool) -> None: ...
    def explain(self, asked: ViewerRequest) -> ExplainReport: ...
    def boto3_client(self, service: str) -> Any: ...
    def close(self) -> None: ...


class EdgecacheClock:
    """The time of an installation, in epoch seconds. It is moved by hand, and forwards alone."""

    def __init__(self, installation: InstallationUnderTest) -> None:
        self._installation = installation

    def now(self) -> float:
        """What it is now: sign and date with this, not with the machine's clock."""
        return self._installation.now()

    def advance(self, by: float | str) -> None:
        """Let so much time pass at once: seconds, or text like `"1h"`, `"7d"`, `"1h 30m"`."""
        passed = seconds(by, "advance")
        if passed:
            self._installation.advance(passed)


class Edgecache:
    """What the fixture `edgecache` gives."""

    def __init__(
        self,
        installation: InstallationUnderTest,
        folder: Path | str = "",
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = EdgecacheClock(installation)
        self._folder = Path(folder)  # that documents' names are relative to
        self._at_end = at_end
        self.answers: deque[SiteAnswer] = deque(maxlen=ANSWERS_KEPT)  # the last, the newest last
        self._installation = installation
        self._numbers = count(1)
        self.origins: list[ScriptedOrigin] = []  # of this test, in the order they were made

    @property
    def mode(self) -> Mode:
        """Where it runs: `in_process` or `processes`."""
        return self._installation.mode

    @property
    def locations(self) -> tuple[str, ...]:
        """The names of the edge locations; the first is asked where a test names none."""
        return tuple(self._installation.locations)

    def origin(self, **answer: Any) -> ScriptedOrigin:
        """A new origin, which answers everything so: see `scripted_origin.origin_answer`."""
        if len(self.origins) >= ORIGINS_MAX:
            raise ValueError(f"more than {ORIGINS_MAX} origins in one test")
        origin = ScriptedOrigin(f"origin {len(self.origins) + 1}", origin_answer(**answer))
        self._installation.serve(origin)
        self.origins.append(origin)
        return origin

    def distribution(
        self,
        document: Mapping[str, Any] | str | Path | None = None,
        *,
        origins: Mapping[str, OriginAddress] | ScriptedOrigin | None = None,
        ids: Mapping[str, str] | None = None,
        **members: Any,
    ) -> SiteUnderTest:
        """A distribution, deployed when this returns. RefusedDocumentError names all problems.

        `document`: a DistributionConfig, or the name of a JSON file that AWS's tools wrote, seen
        from the test's own; `origins` says which origin stands for each of its by their ids.
        Without a document it is made for `origins`. `members` of a DistributionConfig count before
        those of the document. `ids`: of an account's policies and keys, to those `create` gave.
        """
        reference = f"edgecache-testing-{next(self._numbers)}"
        if isinstance(document, str | Path):
            document = self._folder / document
        given = distribution_input(document, origins, members, reference)
        given = given.with_ids(ids or {})
        names = self._installation.distribute(given.config, given.addresses)
        root = given.config.get("DefaultRootObject", "")
        return SiteUnderTest(self._installation, names, root, self.answers)

    def template(
        self,
        document: Mapping[str, Any] | str | Path,
        *,
        origins: Mapping[str, OriginAddress] | ScriptedOrigin,
        parameters: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> dict[str, SiteUnderTest]:
        """The distributions of a CloudFormation template by logical id, with all they name.

        `document`: the template, or the name of its file, JSON or YAML. One origin stands for all
        of them, or each by its id. `parameters` and `values` as of `edgecache import`.
        RefusedDocumentError names all problems.
        """
        from edgecache.testing import template_sites

        if isinstance(document, str | Path):
            document = self._folder / document
        found = template_sites.read_documents(document, parameters or {}, values or {})
        template_sites.site_inputs(found, origins, {})  # refused before anything is made
        ids = template_sites.create_named(self._installation, found)
        sites = {}
        for logical_id, named in template_sites.site_inputs(found, origins, ids).items():
            names = self._installation.distribute(named.config, named.addresses)
            root = named.config.get("DefaultRootObject", "")
            sites[logical_id] = SiteUnderTest(self._installation, names, root, self.answers)
        return sites

    def create(self, kind: str, **config: Any) -> str:
        """Another resource by its members, as `create("cache-policy", Name=..., MinTTL=0, ...)`.

        Its id, which distributions name. Kinds: those of `CREATED`.
        """
        if kind not in CREATED:
            raise ValueError(f"{kind!r} is not one of {', '.join(CREATED)}")
        named, operation, member = CREATED[kind]
        return self._installation.create(named, resource_config(operation, member, config))

    def cache_policy(
        self,
        *,
        ttl: tuple[int, int, int] = (0, 86_400, 31_536_000),
        headers: Iterable[str] = (),
        cookies: Iterable[str] | Literal["all"] = (),
        query_strings: Iterable[str] | Literal["all"] = (),
        compressed: bool = True,
    ) -> str:
        """A cache policy: MinTTL, DefaultTTL and MaxTTL in seconds, and what is in the key. Its id.

        `compressed`: Gzip and Brotli are in the key, for behaviors with Compress.
        """
        keyed = {
            "EnableAcceptEncodingGzip": compressed,
            "EnableAcceptEncodingBrotli": compressed,
            "HeadersConfig": _selection("Header", headers),
            "CookiesConfig": _selection("Cookie", cookies),
            "QueryStringsConfig": _selection("QueryString", query_strings),
        }
        low, default, high = ttl
        return self.create(
            "cache-policy",
            Name=f"testing-{next(self._numbers)}",
            MinTTL=low,
            DefaultTTL=default,
            MaxTTL=high,
            ParametersInCacheKeyAndForwardedToOrigin=keyed,
        )

    def function(self, name: str, code: str, *, runtime: str = "cloudfront-js-2.0") -> str:
        """A CloudFront function, published. Its ARN, which FunctionAssociations name."""
        self._installation.create_function(name, code, runtime)
        return f"arn:aws:cloudfront::000000000000:function/{name}"

    def signing_key(self) -> SigningKey:
        """A new key pair: its public half in a key group of its own, to sign URLs and cookies."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        from edgecache.rules.private.signer import Signer

        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = f"testing-{next(self._numbers)}"
        id = self.create("public-key", CallerReference=name, Name=name, EncodedKey=pem.decode())
        group = self.create("key-group", Name=name, Items=[id])
        return SigningKey(group, Signer(id, key), self.clock)

    def boto3_client(self, service: str = "cloudfront") -> Any:
        """A client of the installation's API: boto3's where it is installed, else botocore's.

        NotImplementedError in process, where there is no API.
        """
        return self._installation.boto3_client(service)

    def story(self) -> Iterator[str]:
        """The last answers, each with what tiers say of it and the key it was looked up by."""
        for answer in self.answers:
            yield answer.words
            try:
                yield from (f"    {line}" for line in answer.explain().lines())
            except (OSError, ValueError, RuntimeError) as error:  # what failed first is the news
                yield f"    not explained: {error}"

    def close(self) -> None:
        """The end of the test: origins are gone, and what it made."""
        try:
            self._installation.close()
        finally:
            self._at_end()

    def __repr__(self) -> str:
        return f"<edgecache, {self.mode}>"


def _selection(word: str, names: Iterable[str]) -> Document:
    """What of a request is in the key: `HeadersConfig` and the like."""
    if names == "all":
        return {f"{word}Behavior": "all"}
    listed = list(names)
    if not listed:
        return {f"{word}Behavior": "none"}
    return {f"{word}Behavior": "whitelist", f"{word}s": listed}


class SigningKey:
    """Signs URLs and cookies of viewers. `group`: the id of the key group that trusts it."""

    def __init__(self, group: str, signer: Signer, clock: EdgecacheClock) -> None:
        self.group = group
        self._signer = signer
        self._clock = clock

    @property
    def id(self) -> str:
        """The id of the public key (Key-Pair-Id)."""
        return self._signer.key_id

    def url(self, url: str, *, lasts: float | str = SIGNED_S) -> str:
        """`url` signed by a canned policy, for so long from now by the installation's clock."""
        from edgecache.rules.private.signer import SigningTerms

        return self._signer.url(url, SigningTerms(url, self._until(lasts)))

    def cookies(self, resource: str, *, lasts: float | str = SIGNED_S) -> dict[str, str]:
        """Cookies by a custom policy for `resource` (`https://HOST/private/*`), for so long."""
        from edgecache.rules.private.signer import SigningTerms

        terms = SigningTerms(resource, self._until(lasts), custom=True)
        return dict(self._signer.cookies(terms))

    def _until(self, lasts: float | str) -> int:
        return int(self._clock.now() + seconds(lasts, "lasts"))


def open_edgecache(mode: Mode = "in_process") -> Edgecache:
    """An installation of its own, for who has no fixtures (`unittest`): close it at the end.

    ValueError for no mode; over processes what `DevProcesses` raises.
    """
    if mode not in MODES:
        raise ValueError(f"{mode!r} is not one of {', '.join(MODES)}")
    if mode == "in_process":
        from edgecache.testing.in_process import InProcessInstallation

        return Edgecache(InProcessInstallation())
    from edgecache.testing.processes import DevProcesses, ProcessInstallation

    processes = DevProcesses()
    return Edgecache(ProcessInstallation(processes), at_end=processes.stop)
