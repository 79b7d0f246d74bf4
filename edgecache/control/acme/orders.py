"""Orders of certificates (RFC 8555), by certbot's library `acme`; and challenges that edges answer.

Law: an account is made once and kept: its key is in `state_dir/acme`, for its owner alone. An order
blocks, and is run in a thread. Nothing but key authorizations is told of a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgecache import __version__
from edgecache.cluster.certificates import (
    ANSWER_CHARS_MAX,
    CHALLENGE_PATH,
    CHALLENGES_MAX,
    challenge_token,
    is_challenge,
    write_private,
)
from edgecache.config.checks.site import INSTALL
from edgecache.config.model import Acme

if TYPE_CHECKING:
    from acme.client import ClientV2
    from acme.messages import OrderResource
    from josepy.jwk import JWKEC

FOLDER = "acme"
ORDER_S_MAX = 120.0  # an authority validates within seconds; boulder gives up after minutes
NAMES_MAX = 1_000  # looked at in a folder: tokens that were left behind are few beside it
SUBFOLDER = CHALLENGE_PATH.decode().strip("/")


class Challenges:
    """Key authorizations by token (HTTP-01) that edges answer: those of orders under way, which are
    added from any thread, and of a folder that a client of ACME writes to (certbot's
    `--webroot-path`, lego's `--http.webroot`): its `.well-known/acme-challenge`, or itself.
    """

    def __init__(self) -> None:
        self._ordered: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, token: str, answer: str) -> None:
        """Have edges answer a challenge from now on."""
        with self._lock:
            self._ordered[token] = answer

    def remove(self, token: str) -> None:
        """Have it answered no more."""
        with self._lock:
            self._ordered.pop(token, None)

    def answers(self, folder: str) -> dict[str, str]:
        """All of them, those of `folder` included ("": there is none). Blocks on the disk."""
        with self._lock:
            found = dict(self._ordered)
        if folder:
            for place in (Path(folder) / SUBFOLDER, Path(folder)):
                found |= _in_folder(place)
        return dict(list(found.items())[:CHALLENGES_MAX])


class IssuanceError(Exception):
    """A certificate that was not issued, and why, in one line.

    `after_s`: what the authority asks to be left alone for (Retry-After), 0 when it did not say.
    `limited`: it is a limit of the account's, and holds for its other certificates, too.
    """

    def __init__(self, why: str, after_s: float = 0.0, *, limited: bool = False) -> None:
        super().__init__(" ".join(why.split()))
        self.after_s = after_s
        self.limited = limited


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """An authority as `settings` names it; `state_dir` keeps the account."""

    settings: Acme
    state_dir: str
    challenges: Challenges

    def issue(self, names: Sequence[str]) -> bytes:
        """PEM of a new key and a certificate for `names` with its chain. IssuanceError."""
        try:
            from acme import errors, messages
            from requests import RequestException
        except ImportError:
            raise IssuanceError(f"ACME is an extra that is not installed; run: {INSTALL}") from None
        retry = _RetryAfter()
        try:
            client = self._client(retry)
            return self._order(client, names)
        except messages.Error as error:
            limited = str(error.typ).endswith(":rateLimited")
            raise IssuanceError(_said(error), retry.seconds, limited=limited) from error
        except errors.ValidationError as error:
            raise IssuanceError(_failed_challenges(error), retry.seconds) from error
        except errors.TimeoutError as error:
            why = f"the authority did not decide within {ORDER_S_MAX:g} s"
            raise IssuanceError(why, retry.seconds) from error
        except (errors.Error, RequestException, OSError, ValueError) as error:
            raise IssuanceError(f"{self.settings.directory_url}: {error}", retry.seconds) from error

    def _client(self, retry: _RetryAfter) -> ClientV2:
        from acme.client import ClientNetwork, ClientV2
        from josepy.jwa import ES256

        path = self._account_path()
        key, uri = _account_in(path)
        verify: Any = self.settings.ca_file or True  # as `requests` has it
        agent = f"edgecache/{__version__}"
        network = ClientNetwork(key, alg=ES256, verify_ssl=verify, user_agent=agent)
        network.session.hooks["response"].append(retry.note)
        directory = ClientV2.get_directory(self.settings.directory_url, network)
        client = ClientV2(directory, network)
        self._enter(client, path, key, uri)
        return client

    def _enter(self, client: ClientV2, path: Path, key: JWKEC, uri: str) -> None:
        """Use the account, or make it first."""
        from acme import errors, messages

        if not uri:
            write_private(path, _spelled(key, ""))  # before it is known elsewhere
            email = self.settings.email or None
            wanted = messages.NewRegistration.from_data(email=email, terms_of_service_agreed=True)
            try:
                uri = client.new_account(wanted).uri
            except errors.ConflictError as error:
                uri = error.location
            write_private(path, _spelled(key, uri))
        body = messages.Registration()
        client.net.account = messages.RegistrationResource(body=body, uri=uri)

    def _order(self, client: ClientV2, names: Sequence[str]) -> bytes:
        from acme.crypto_util import make_csr

        private = ec.generate_private_key(ec.SECP256R1())
        key_pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        order = client.new_order(make_csr(key_pem, [*names]))
        tokens: list[str] = []
        try:
            self._answer(client, order, tokens)
            deadline = datetime.now() + timedelta(seconds=ORDER_S_MAX)
            order = client.poll_and_finalize(order, deadline)
        finally:
            for token in tokens:
                self.challenges.remove(token)
        return key_pem + order.fullchain_pem.encode()

    def _answer(self, client: ClientV2, order: OrderResource, tokens: list[str]) -> None:
        """Have edges answer each challenge, then say that they do."""
        from acme import challenges, messages

        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue  # proved lately
            offered = authorization.body.challenges
            found = [one for one in offered if isinstance(one.chall, challenges.HTTP01)]
            if not found:
                name = authorization.body.identifier.value
                raise IssuanceError(f"{name}: the authority offers no HTTP-01")
            response, answer = found[0].response_and_validation(client.net.key)
            token = found[0].chall.encode("token")
            tokens.append(token)
            self.challenges.add(token, answer)
            client.answer_challenge(found[0], response)

    def _account_path(self) -> Path:
        """One for each authority: another one knows nothing of our account."""
        digest = hashlib.sha256(self.settings.directory_url.encode()).hexdigest()[:16]
        return Path(self.state_dir) / FOLDER / f"account-{digest}.json"


class _RetryAfter:
    """The Retry-After of the last answer that had one (RFC 9110 §10.2.3)."""

    seconds = 0.0

    def note(self, response: Any, *_: Any, **__: Any) -> None:
        value = response.headers.get("Retry-After", "")
        if response.ok:
            self.seconds = 0.0
        elif value:
            self.seconds = retry_after_s(value, time.time)


def retry_after_s(value: str, clock: Callable[[], float]) -> float:
    """Seconds that a Retry-After asks for; 0 when it says nothing."""
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - clock())
    except ValueError:
        return 0.0


def _account_in(path: Path) -> tuple[JWKEC, str]:
    """The key and the URL of the account that is kept; a new key and "" when there is none."""
    from josepy.jwk import JWK, JWKEC

    if path.exists():
        kept = json.loads(path.read_bytes())
        key = JWK.from_json(kept["key"])
        assert isinstance(key, JWKEC), path
        return key, str(kept["url"])
    return JWKEC(key=ec.generate_private_key(ec.SECP256R1())), ""


def _spelled(key: JWKEC, uri: str) -> bytes:
    return json.dumps({"url": uri, "key": key.to_json()}).encode()


def _said(error: Any) -> str:
    """What an authority says of an error, and of its parts (RFC 8555 §6.7.1)."""
    parts = [str(one.detail) for one in error.subproblems or () if one.detail]
    return f"{error.typ}: {'; '.join([str(error.detail), *parts])}"


def _failed_challenges(error: Any) -> str:
    reasons = [
        f"{one.body.identifier.value}: {challenge.error.detail or challenge.error.typ}"
        for one in error.failed_authzrs
        for challenge in one.body.challenges
        if challenge.error is not None
    ]
    return "; ".join(reasons)


def _in_folder(folder: Path) -> dict[str, str]:
    """Challenges in files of a folder, the newest first; what is none is passed over."""
    files = sorted(_token_files(folder), reverse=True)[:CHALLENGES_MAX]
    answers = {name: _answer_in(folder / name) for _, name in files}
    return {token: answer for token, answer in answers.items() if is_challenge(token, answer)}


def _token_files(folder: Path) -> Iterator[tuple[float, str]]:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number == NAMES_MAX:
                    return
                path = CHALLENGE_PATH + os.fsencode(entry.name)
                if challenge_token(path) and entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_mtime, entry.name
    except OSError:
        return  # it is not there before a client has made it


def _answer_in(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(ANSWER_CHARS_MAX + 1).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
