"""Secrets that control knows its callers by, read again when their files change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from starlette.requests import Request

from edgecache.cluster.credentials import (
    CONTROL,
    CredentialSigner,
    CredentialVerifier,
    is_name_server,
    is_regional,
    part_of,
)
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.config.secrets import (
    Secrets,
    SecretsError,
    has_former_operators,
    load_operators,
    load_secrets,
    operators_path,
    read_operators,
    read_secrets,
    secrets_path,
    spelled,
)
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.rest.auth import bearer_name
from edgecache.node.secret_watch import WATCH_S, FileStamp, file_stamp
from edgecache.runtime.environment import wall_clock
from edgecache.runtime.stderr_log import warn


class ControlSecrets:
    """Secrets of control and what is made of them: operators' tokens and keys, credentials.

    Read again within `WATCH_S` when a file changes; what cannot be read leaves what there was.
    SecretsError when there are none to begin with.
    """

    def __init__(self, state_dir: str, env: Mapping[str, str], steady: Callable[[], float]) -> None:
        self._state_dir, self._env = state_dir, env
        self._paths = (secrets_path(state_dir, env), operators_path(state_dir, env))
        secrets, operators = load_secrets(state_dir, env), load_operators(state_dir, env)
        if has_former_operators(state_dir, env):
            warn(f"{self._paths[0]} holds operators' secrets; run: edgecache secrets split")
        self.viewer = secrets.viewer
        self.operators: Mapping[str, str] = {}
        self.tokens = Tokens([*operators.values()], wall_clock)
        self.callers = CallerAuthentication(operators, self.tokens, wall_clock, steady)
        self.nodes = CredentialVerifier(CONTROL, wall_clock)
        self.admission = NodeAdmission(self.nodes.verify, steady)
        self._signers: dict[str, CredentialSigner] = {}
        self._operator_users: list[Callable[[Mapping[str, str]], None]] = []
        self.peer: Mapping[str, str] = {}  # secrets of processes of ours, by id
        self._stamps = self._unread = self._stamped()  # the latter: of those that were tried last
        self._take_over(secrets, operators)

    def signer(self, place: str) -> CredentialSigner:
        """What signs control's questions to a place of nodes."""
        signer = self._signers.get(place)
        if signer is None:
            signer = CredentialSigner(CONTROL, place, wall_clock, os.urandom)
            signer.use(self.peer)
            self._signers[place] = signer
        return signer

    def tell_operators(self, user: Callable[[Mapping[str, str]], None]) -> None:
        """Tell `user` operators' secrets whenever they change."""
        self._operator_users.append(user)

    async def watch(self) -> None:
        """Take over what changes, for good."""
        while True:
            await asyncio.sleep(WATCH_S)
            stamps = self._stamped()
            if stamps != self._stamps:
                self._read_anew(stamps)

    def proves(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the head of a request is a node's or has an operator's token (a Proof)."""
        if bearer_name(Request(scope), self.tokens) is not None:
            return True
        return bool(self.admission.sender(scope))

    def part(self, place: str, config: Config) -> str:
        """The text of `secrets.json` for a machine that is `place` and nothing else."""
        secrets = read_secrets(self._state_dir, self._env)
        if is_regional(place):
            return spelled(secrets, secrets.peer, with_origins=True)
        peer = {name: part_of(secret, place) for name, secret in secrets.peer.items()}
        if is_name_server(place):
            return spelled(secrets, peer, with_origins=False, with_zones=True)
        return spelled(secrets, peer, with_origins=config.edges_ask_origins)

    def _read_anew(self, stamps: tuple[FileStamp, ...]) -> None:
        """Take over what files of these stamps have; those that cannot be read are tried again."""
        try:
            secrets = read_secrets(self._state_dir, self._env)
            self._take_over(secrets, read_operators(self._state_dir, self._env))
            self._stamps = stamps
        except SecretsError as error:
            if stamps != self._unread:
                warn(f"secrets were not read anew: {error}")
        self._unread = stamps

    def _take_over(self, secrets: Secrets, operators: Mapping[str, str]) -> None:
        try:
            self.nodes.use(secrets.peer)
        except ValueError as error:
            raise SecretsError(self._paths[0], f"peer: {error}") from None
        self.peer = secrets.peer
        for signer in self._signers.values():
            signer.use(secrets.peer)
        self.tokens.use([*operators.values()])
        self.callers.use(operators)
        changed, self.operators = operators != self.operators, operators
        if changed:
            for user in self._operator_users:
                user(operators)

    def _stamped(self) -> tuple[FileStamp, ...]:
        return tuple(file_stamp(str(path)) for path in self._paths)
