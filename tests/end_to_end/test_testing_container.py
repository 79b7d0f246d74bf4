"""EdgecacheContainer, against a stand-in for the engine that runs what a container would."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgecache.testing.origin_server import OriginServer
from edgecache.testing.scripted_origin import ScriptedOrigin, origin_answer
from tests.end_to_end.container_engine import ContainerEngine

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerEngine]:
    made = ContainerEngine(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", made.url)
    settings = {"RYUK_DISABLED": "true", "CONNECTION_MODE": "docker_host"}
    for name, value in settings.items():  # read as it is imported
        monkeypatch.setenv(f"TESTCONTAINERS_{name}", value)
    yield made
    made.close()


def test_a_container_is_an_installation_for_tests(engine: ContainerEngine) -> None:
    from edgecache.testing.container import EdgecacheContainer

    origin = ScriptedOrigin("origin", origin_answer(cache_control="max-age=60"))
    server = OriginServer(origin)
    with EdgecacheContainer() as edgecache:
        assert engine.made["Image"] == "edgecache"
        edgecache.map_origins({"web.example.test": server.url})
        client = edgecache.get_client()
        made = client.create_distribution(DistributionConfig=_site())["Distribution"]
        client.get_waiter("distribution_deployed").wait(Id=made["Id"], WaiterConfig={"Delay": 1})
        near = edgecache.get_location_url()
        assert _asked(near, made["DomainName"]) == "Miss from cloudfront"
        assert _asked(near, made["DomainName"]) == "Hit from cloudfront"
        edgecache.advance("2m")
        assert _asked(near, made["DomainName"]) == "Miss from cloudfront"
        edgecache.reset()
        assert client.list_distributions()["DistributionList"]["Quantity"] == 0
        with pytest.raises(ValueError, match="'MOON' is not one of LHR50, NRT57"):
            edgecache.get_location_url("MOON")
    server.close()
    assert engine.process is not None
    assert engine.process.poll() is not None
    assert engine.asked[-1].startswith("DELETE")


def _asked(url: str, host: str) -> str | None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", "/a", headers={"Host": host})
    said = connection.getresponse().getheader("x-cache")
    connection.close()
    return said


def _site() -> dict[str, object]:
    reached = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    origin = {"Id": "web", "DomainName": "web.example.test", "CustomOriginConfig": reached}
    return {
        "CallerReference": "1",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "web",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    }
