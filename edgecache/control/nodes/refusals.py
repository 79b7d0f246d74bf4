"""Nodes that control refuses: who they say they are, from where, and why. Law: bounded, and brief.

Anybody may send a credential that is none, so that an entry is no proof that there is such a node;
one that is ours and refused comes again every second.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from edgecache.cluster.credentials import (
    AUTH_SCHEME,
    CredentialVerdict,
    claimed_sender,
    control_message,
    is_edge,
    is_name_server,
    is_regional,
)

REFUSED_S = 30.0  # a node that is still refused has come again many times
REFUSED_MAX = 64
ADDRESS_REFUSED_MAX = 8  # from one address: a stranger there hides no other

_NODE = "edgecache.node"  # of a scope: who signed its head
_WHY = "edgecache.refused"  # of a scope: why nobody of ours did

CredentialVerify = Callable[[bytes, bytes], tuple[CredentialVerdict, str]]
"""The verdict on a credential for a message, and whom it names; one that is good is used up."""

NodeTrouble = Callable[[MutableMapping[str, Any], str], str]
"""Why the node that signed a scope's head is refused, or nothing."""


@dataclass(slots=True)
class _Refusal:
    reason: str
    seen_at: float
    times: int = 1


def _no_trouble(_scope: MutableMapping[str, Any], _name: str) -> str:
    return ""


class NodeAdmission:
    """Which node signed a request, and those refused lately. `clock` gives steady seconds.

    `trouble` says why one whose credential is good is refused all the same; or nothing.
    """

    def __init__(self, verify: CredentialVerify, clock: Callable[[], float]) -> None:
        self._verify = verify
        self._clock = clock
        self.trouble: NodeTrouble = _no_trouble
        self._refused: dict[tuple[str, str], _Refusal] = {}  # by address and name, newest last

    def sender(self, scope: MutableMapping[str, Any]) -> str:
        """The node that signed the head of a request, an ASGI scope; empty when none did.

        Found out once and kept in the scope: the credential is used up.
        """
        if _NODE not in scope:
            fields = dict(reversed(scope["headers"]))
            scheme, _, credential = fields.get(b"authorization", b"").partition(b" ")
            name = ""
            if scheme == AUTH_SCHEME.encode():
                path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
                target = path + b"?" + query if query else path
                digest = fields.get(b"content-digest", b"").decode("latin-1")
                message = control_message(scope["method"], target, digest)
                verdict, name = self._verify(credential, message)
                good = verdict is CredentialVerdict.OK
                why = self.trouble(scope, name) if good else str(verdict)
                if not why:
                    self._refused.pop((_address(scope), name), None)
                else:
                    name = ""
                    scope[_WHY] = why
                    self._note(scope, claimed_sender(credential), why)
            scope[_NODE] = name if _is_node(name) else ""
        return str(scope[_NODE])

    def listing(self) -> list[dict[str, Any]]:
        """Who was refused in the last REFUSED_S, by name."""
        now = self._clock()
        self._forget(now)
        return [
            {
                "name": name,
                "address": address,
                "reason": refusal.reason,
                "times": refusal.times,
                "seen_s_ago": round(now - refusal.seen_at, 3),
            }
            for (address, name), refusal in sorted(
                self._refused.items(), key=lambda item: (item[0][1], item[0][0])
            )
        ]

    def _note(self, scope: MutableMapping[str, Any], name: str, why: str) -> None:
        if not _is_node(name):
            return
        now, address = self._clock(), _address(scope)
        former = self._refused.pop((address, name), None)
        if former is None:
            self._forget(now)
            neighbors = [key for key in self._refused if key[0] == address]
            if len(neighbors) >= ADDRESS_REFUSED_MAX:
                del self._refused[neighbors[0]]
            elif len(self._refused) >= REFUSED_MAX:
                del self._refused[next(iter(self._refused))]
        times = former.times + 1 if former else 1
        self._refused[address, name] = _Refusal(why, now, times)

    def _forget(self, now: float) -> None:
        for key in [k for k, one in self._refused.items() if now - one.seen_at > REFUSED_S]:
            del self._refused[key]


def _is_node(name: str) -> bool:
    return is_edge(name) or is_regional(name) or is_name_server(name)


def _address(scope: MutableMapping[str, Any]) -> str:
    return str((scope.get("client") or ("",))[0])


def refusal_reason(scope: MutableMapping[str, Any]) -> str:
    """Why the credential of a request was refused; empty where it had none, or a good one."""
    return str(scope.get(_WHY, ""))
