"""Container of `edgecache dev`, in testcontainers' convention. It needs the extra `containers`.

Law: it adds nothing to what a container of the image does: docs/dev.md says what may be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from edgecache.testing.scripted_origin import seconds

IMAGE = "edgecache"
CONTROL_PORT = 8090
HOST = "localhost"  # which control is asked by wherever the engine is: it knows no other name
LOCATIONS: Mapping[str, int] = {"LHR50": 8080, "NRT57": 8081}
ANSWER_S_MAX = 60.0
ANY_KEY = "test"  # dev mode takes any credentials


class EdgecacheContainer(DockerContainer):
    """An installation in dev mode, in a container that lives as long as its `with`.

    `locations`: names of edge locations, and their ports in the container. More arguments are those
    of `DockerContainer`. RuntimeError for what control refuses.
    """

    def __init__(
        self, image: str = IMAGE, locations: Mapping[str, int] = LOCATIONS, **more: Any
    ) -> None:
        super().__init__(image, **more)
        self._locations = dict(locations)
        self.with_exposed_ports(CONTROL_PORT, *self._locations.values())
        command = ["dev", "--public", "--listen-control", f"0.0.0.0:{CONTROL_PORT}"]
        for name, port in self._locations.items():
            command += ["--locations", name, "--listen", f"0.0.0.0:{port}"]
        self.with_command(command)
        ready = HttpWaitStrategy(CONTROL_PORT, "/_edgecache/ready")
        self.waiting_for(ready.with_header("Host", HOST))

    def get_url(self) -> str:
        """Control's URL: the endpoint of AWS's clients."""
        return self._url(CONTROL_PORT)

    def get_location_url(self, name: str = "") -> str:
        """The URL of an edge location, the first where none is named: ask it by a site's Host."""
        known = self._locations
        if name and name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        return self._url(known[name] if name else next(iter(known.values())))

    def get_client(self, service: str = "cloudfront", **more: Any) -> Any:
        """boto3's client of it."""
        import boto3

        settings = {
            "endpoint_url": self.get_url(),
            "region_name": "us-east-1",
            "aws_access_key_id": ANY_KEY,
            "aws_secret_access_key": ANY_KEY,
        }
        return boto3.client(service, **(settings | more))

    def reset(self) -> None:
        """Forget all that was made, stored and counted, and set the clock back."""
        self._call("POST", "/_edgecache/reset")

    def advance(self, by: float | str) -> None:
        """Let so much time pass at once: seconds, or text like `"1h"`."""
        self._call("POST", "/_edgecache/clock", {"advance_s": seconds(by, "advance")})

    def map_origins(self, places: Mapping[str, str]) -> None:
        """Have connections to host names (patterns) made elsewhere, until the next reset.

        `{"*.s3.*.amazonaws.com": "http://moto:5000"}`; Host, signature and key stay.
        """
        self._call("PUT", "/_edgecache/origin-map", {"origin_map": dict(places)})

    def _url(self, port: int) -> str:
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(port)}"

    def _call(self, method: str, path: str, body: object = None) -> None:
        connection = HTTPConnection(urlsplit(self.get_url()).netloc, timeout=ANSWER_S_MAX)
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json", "Host": HOST}
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            told = answer.read().decode(errors="replace").strip()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {told}")
