"""What a node says of its contact with control: refused, out of reach, well again; each once.

Law: a node that control refuses serves as if control were away, asking its origin for each hit, and
nobody is told of it but by a line here and `GET /nodes`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgecache.cluster.credentials import CredentialVerdict
from edgecache.cluster.lease import LEASE_S

logger = logging.getLogger("edgecache.server")

_REFUSED = (401, 403, 409)  # the last: of a release that control does not work with
_DIFFERENT = (
    "its secrets are not control's: copy secrets.json of control's machine to {secrets}, or what"
    " `edgecache secrets edge LOCATION` prints there; it counts within a second"
)
_CLOCK = "the clocks of the two machines differ: set them by NTP"
_WAYS_OUT = {
    CredentialVerdict.UNKNOWN_KEY: _DIFFERENT,
    CredentialVerdict.BAD_SIGNATURE: _DIFFERENT,
    CredentialVerdict.EXPIRED: _CLOCK,
    CredentialVerdict.FROM_THE_FUTURE: _CLOCK,
    CredentialVerdict.REPLAYED: "something on the way sends its requests twice",
    CredentialVerdict.FULL: "too many processes of this location started lately",
}


class ControlContact:
    """The contact of one node with control at `url`. `clock` gives monotonic seconds.

    `problem` says in a line what is wrong now; empty when nothing is.
    """

    def __init__(self, name: str, url: str, secrets: str, clock: Callable[[], float]) -> None:
        self._name, self._url, self._secrets = name, url, secrets
        self._clock = clock
        self._lost_at = -1.0
        self._why = ""  # of the last failure, since an answer that helped
        self.problem = ""

    def answered(self, status: int, error: str) -> None:
        """Control answered a question with a status and, where that is a refusal, said `error`."""
        if status < 400:
            self._well()
        elif status in _REFUSED:
            self._tell(f"refuses this node ({self._name}): {_way_out(error, self._secrets)}")
        else:
            self.silent(f"answered {status}")

    def moved(self, url: str) -> None:
        """The node follows the control at `url` from now on, instead of the one before."""
        why = f": {self._why}" if self._why else ""
        logger.warning("control at %s is not followed any more%s; %s is", self._url, why, url)
        self._url, self._why = url, ""
        self._well()

    def differs(self, why: str) -> None:
        """Control answered what this node does not take: it is of another release."""
        self._tell(f"is not followed: {why}")

    def silent(self, reason: str) -> None:
        """Control gave no answer, or none that helps. Told once a lease would have run out."""
        now, self._why = self._clock(), reason
        if self._lost_at < 0:
            self._lost_at = now
        if now - self._lost_at >= LEASE_S:
            self._tell(f"cannot be reached: {reason}")

    def _well(self) -> None:
        self._lost_at = -1.0
        if self.problem:
            self.problem = ""
            logger.info("control at %s: well again", self._url)

    def _tell(self, problem: str) -> None:
        # The reason may change from try to try: what it is about is told once.
        if self.problem.partition(":")[0] != problem.partition(":")[0]:
            logger.error("control at %s %s", self._url, problem)
        self.problem = problem


def _way_out(error: str, secrets: str) -> str:
    for verdict, way_out in _WAYS_OUT.items():
        if error.endswith(f": {verdict}"):
            return f"{verdict}: {way_out.format(secrets=secrets)}"
    return error or "it does not say why"
