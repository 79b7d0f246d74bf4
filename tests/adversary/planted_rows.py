"""The planted faults: guards over sharing, marks, paths, credentials, memory and circuits."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutations.guards import GUARDS


@dataclass(frozen=True, slots=True)
class Planted:
    """A guard taken away: `code` of `file` (in edgecache/) becomes `without`."""

    name: str
    profile: str
    file: str = ""
    code: str = ""
    without: str = ""

    def mutation(self) -> tuple[str, str, str]:
        """File, code and what stands there instead; those of tests/mutations by their name."""
        if self.file:
            return self.file, self.code, self.without
        guard = next(guard for guard in GUARDS if guard.name == self.name)
        return guard.file, guard.code, guard.without or "# gone"


_KEY = "rules/caching/key.py"
_POLICY = "rules/private/signed_policy.py"
_TOKEN = "rules/private/native_token.py"
_CHECK = "rules/private/signature_check.py"
_ROUTING = "rules/routing.py"

PLANTED = (
    Planted("what was chosen by another request is not read along", "sharing"),
    Planted("what credentials opened is stored for nobody else", "sharing"),
    Planted("a field named private is for who asked", "sharing"),
    Planted("what is not fresh is not read along", "sharing"),
    Planted("what was asked for before a write is not kept", "sharing"),
    Planted("a flight of before a write is not joined", "sharing"),
    Planted("what was chosen for one viewer is not offered to others", "sharing"),
    Planted("an answer to a Range is stored as that part alone", "sharing"),
    Planted("a 304 renews what it names", "sharing"),
    Planted(
        "the key has the Authorization that the policy names", "sharing", _KEY,
        'parts.append(("header", (name, _header(request, name, route))))', "pass",
    ),
    Planted(
        "the key has the cookies that are forwarded", "sharing", _KEY,
        'parts.append(("cookies", _flat(pairs)))', "pass",
    ),
    Planted(
        "Set-Cookie is dropped where no cookie is forwarded", "sharing",
        "rules/caching/storability.py", "return without(fields, _COOKIES)", "return fields",
    ),
    Planted("a hit compares its entry's mark", "marks"),
    Planted("the memo compares the entry's mark", "marks"),
    Planted("what fell while it was fetched is not stored", "marks"),
    Planted("a mark is taken before upstream is asked", "marks"),
    Planted("a reply is no newer than the inner tier says", "marks"),
    Planted("a flight of before is not joined", "marks"),
    Planted("what fell is not offered for validation", "marks"),
    Planted("what fell is not served when upstream fails", "marks"),
    Planted("a failure of before is not remembered", "marks"),
    Planted("the memo ends with the lease", "marks"),
    Planted("a hit needs a lease", "marks"),
    Planted(
        "all that an origin may read in a path is matched", "paths", _ROUTING,
        "    every = readings(path)\n", "    every = (path,)\n",
    ),
    Planted(
        "a private behavior wins over a public reading", "paths", _ROUTING,
        "return found[0] if _guard(found[0]) else private[0]", "return found[0]",
    ),
    Planted(
        "a path that steps out names nothing private", "paths", "http/target.py",
        "if _STEPS_OUT.search(reading) is not None:", "if False:",
    ),
    Planted(
        "unkeyed fields reach no origin", "paths", _KEY,
        "return _with_one_spelling(without_unkeyed(without(fields, _OF_THE_VIEWER)))",
        "return _with_one_spelling(without(fields, _OF_THE_VIEWER))",
    ),
    Planted(
        "a viewer's claims about the way here reach no origin", "paths", _KEY,
        "fields = without_false_forwarding(_plain_fields(request, route))",
        "fields = _plain_fields(request, route)",
    ),
    Planted(
        "a viewer says nothing under our prefixes", "paths", _KEY,
        "if not name.startswith(OUR_PREFIXES)", "if True",
    ),
    Planted(
        "fields of one hop go no further", "paths", _KEY,
        'without(end_to_end(request.fields), OURS | {b"content-length"})',
        'without(request.fields, OURS | {b"content-length", b"connection"})',
    ),
    Planted(
        "the key has the query", "paths", _KEY,
        'parts.append(("query", (request.query,)))', "pass",
    ),
    Planted("what is remembered ends with what opened it", "credentials"),
    Planted(
        "a refused signature opens nothing", "credentials", "cache/frontend.py",
        "if isinstance(signature, SignatureRefused):", "if False:",
    ),
    Planted(
        "a signature is verified", "credentials", _CHECK,
        "if not verified(token, key):", "if False:",
    ),
    Planted(
        "a signature ends", "credentials", _POLICY, "if now >= self.before:", "if False:",
    ),
    Planted(
        "a signature has a beginning", "credentials", _POLICY,
        "if self.after is not None and now <= self.after:", "if False:",
    ),
    Planted(
        "a signature is for one address", "credentials", _POLICY,
        "if self.network is not None and not within(client, self.network):", "if False:",
    ),
    Planted(
        "a policy opens its resource alone", "credentials", _POLICY,
        "if self.resource is not None and not resource_matches(self.resource, url):", "if False:",
    ),
    Planted(
        "a URL that was opened is untimely some day", "credentials", _CHECK,
        "untimely = known[0].untimely(now, client)", "untimely = None",
    ),
    Planted("a token ends", "credentials", _TOKEN, "if now >= self.until:", "if False:"),
    Planted(
        "a token is verified", "credentials", _TOKEN,
        "if not compare_digest(signer.sign(signed), token):", "if False:",
    ),
    Planted(
        "a token is for its target", "credentials", _TOKEN,
        'return None if asked == wanted else f"the token is for {self.target}"', "return None",
    ),
    Planted(
        "no origin hears a signature", "credentials", "rules/private/key_ring.py",
        "return without_signature(request) if self.keys else request", "return request",
    ),
    Planted(
        "uploads are read no faster than they are taken", "memory", "server/request_body.py",
        "return self.waiting_bytes > (0 if self._account.is_short(self.holding) else bytes_max)",
        "return False",
    ),
    Planted(
        "what is not kept arrives as fast as it is read", "memory", "cache/fill.py",
        "return self._held_bytes > self._account.ahead_bytes", "return False",
    ),
    Planted(
        "heads that viewers send ahead have a share", "memory", "server/http1/head_reader.py",
        "if len(self) > HEAD_BYTES_FREE and not self._account.has_room(MemoryHolding.HEADS):",
        "if False:",
    ),
    Planted(
        "a page that fails does not open the circuit", "circuit", "upstream/origin_guard.py",
        "_UNREACHABLE = frozenset({", "_UNREACHABLE = frozenset({Fault.CLOSED, ",
    ),
    Planted(
        "only what cannot be reached opens the circuit", "circuit", "upstream/origin_guard.py",
        " and error.fault in _UNREACHABLE", "",
    ),
    Planted(
        "uploads have a share of an origin's connections", "circuit", "upstream/pool.py",
        "uploads = UploadShare(endpoint.slow_max, self._limits.waiting_max)",
        "uploads = UploadShare(1_000_000, self._limits.waiting_max)",
    ),
    Planted(
        "answers nobody reads have a share of an origin's connections", "circuit",
        "upstream/slow_share.py",
        "return [one for _, one in unread[: max(len(unread) - most, 0)]]", "return []",
    ),
    Planted(
        "a body that everybody left is given up", "circuit", "cache/fill.py",
        '            self._fail(UpstreamError(Fault.TRUNCATED, "fill abandoned"))\n'
        "        self._body.close()",
        "            pass",
    ),
)  # fmt: skip
