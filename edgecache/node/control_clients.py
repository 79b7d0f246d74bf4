"""Clients of control for a process: by this machine's certificate, its socket file, or neither.

Law: a control that speaks TLS is believed only where its name is proven.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import httpx

from edgecache.cluster.certificates import CertificateFile
from edgecache.cluster.client import trusted_authorities
from edgecache.cluster.control_access import (
    CA_ENV,
    control_socket,
    control_url,
    control_urls,
    url_at,
)
from edgecache.cluster.enrollment import HOST, NAMED
from edgecache.config.checks.site import CONTROLS_MAX
from edgecache.config.listen import speaks_tls
from edgecache.config.model import Config
from edgecache.node.control_endpoints import ControlEndpoint, ControlEndpoints

NODES_S_MAX = 1.0  # for what reports to another control


def control_endpoints(
    config: Config,
    name: str,
    held: CertificateFile | None,
    clock: Callable[[], float],
    random: Callable[[], float],
) -> ControlEndpoints:
    """The controls that the node `name` may follow. `held`: this machine's certificate."""
    endpoints = [ControlEndpoint(url, _client(config, url, held)) for url in control_urls(config)]
    return ControlEndpoints(name, endpoints, clock, random)


class ControlNeighbors:
    """Clients of one control's neighbors, by where they are; `token` admits to them."""

    def __init__(
        self, config: Config, held: CertificateFile | None, token: Callable[[], str]
    ) -> None:
        self._config, self._held, self._token = config, held, token
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def answer(self, address: str, target: str) -> bytes:
        """What the control at HOST:PORT answers to `GET target` (an AskControl)."""
        client = self._clients.get(address)
        if client is None:
            if len(self._clients) >= CONTROLS_MAX:
                self._clients.clear()
            client = _client(self._config, url_at(self._config, address), self._held)
            self._clients[address] = client
        try:
            headers = {"authorization": f"Bearer {self._token()}"}
            answer = await client.get(target, headers=headers, timeout=NODES_S_MAX)
        except httpx.HTTPError as error:
            raise OSError(str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise OSError(f"answered {answer.status_code}")
        return answer.content


def _client(config: Config, url: str, held: CertificateFile | None) -> httpx.AsyncClient:
    if held is not None and speaks_tls(config.control, config):
        return control_client(url, held)
    transport: httpx.AsyncBaseTransport | None = None
    if url.startswith("https:"):
        if url == control_url(config):
            transport = nearest_transport(control_socket(config).path)
        else:
            trust = trusted_authorities(os.environ.get(CA_ENV, ""))
            transport = httpx.AsyncHTTPTransport(verify=trust)
    return httpx.AsyncClient(base_url=url, trust_env=False, transport=transport)


def control_client(url: str, held: CertificateFile) -> httpx.AsyncClient:
    """A client of control that shows this machine's certificate, and knows control by its own."""

    async def name(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, **NAMED}

    return httpx.AsyncClient(
        base_url=url,
        trust_env=False,
        verify=held.client,
        headers={"host": HOST},
        event_hooks={"request": [name]},
    )


def nearest_transport(path: str) -> httpx.AsyncBaseTransport:
    """A node's way to a control that speaks TLS: its socket file at `path` where that is ours.

    Its certificate is for a name that others use. Elsewhere by TLS and the authorities that
    `EDGECACHE_CA_FILE` names, or the system's. OSError.
    """
    return _NearestTransport(path, trusted_authorities(os.environ.get(CA_ENV, "")))


class _NearestTransport(httpx.AsyncBaseTransport):
    """Chooses at each request: control may start after its nodes."""

    def __init__(self, path: str, trust: ssl.SSLContext) -> None:
        self._path = path
        self._near = httpx.AsyncHTTPTransport(uds=path, verify=False)
        self._far = httpx.AsyncHTTPTransport(verify=trust)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not os.access(self._path, os.W_OK):
            return await self._far.handle_async_request(request)
        request.url = request.url.copy_with(scheme="http")
        return await self._near.handle_async_request(request)

    async def aclose(self) -> None:
        await self._near.aclose()
        await self._far.aclose()
