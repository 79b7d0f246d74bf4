"""A key value store over boto3, which every edge's function reads; its client signs with awscrt.

boto3 puts the account before the host it is given: it runs where that name is in /etc/hosts, in a
mount namespace of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import AccessKey, access_keys
from tests.control.cloudfront.desk import site
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

CODE = b"""import cf from 'cloudfront';
async function handler(event) {
    const values = cf.kvs();
    if (!await values.exists(event.request.uri)) return event.request;
    const to = await values.get(event.request.uri);
    return {statusCode: 302, statusDescription: 'Found', headers: {location: {value: to}}};
}
"""
PROGRAM = """
import json, sys
import boto3
call, url, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = boto3.client("cloudfront-keyvaluestore", endpoint_url=url, region_name="us-east-1")
etag = client.describe_key_value_store(KvsARN=given["KvsARN"])["ETag"]
print(getattr(client, call)(IfMatch=etag, **given)["ItemCount"])
"""
EVENT = {
    "context": {"eventType": "viewer-request"},
    "request": {"method": "GET", "uri": "/old", "querystring": {}, "headers": {}, "cookies": {}},
}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    installation = make_installation(tmp_path_factory.mktemp("key-values"), workers=2)
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert not installation.left_running()


def key_of(up: Up) -> AccessKey:
    return access_keys(load_operators(up.installation.state, {}))[-1]


def called(up: Up, call: str, **given: Any) -> str:
    """What boto3's client of the data plane gives, where the name it makes up leads here."""
    folder, port = up.installation.folder, up.installation.ports.control
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost 000000000000.localhost\n")
    (folder / "program.py").write_text(PROGRAM)
    key = key_of(up)
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c"),
            f'mount --bind {hosts} /etc/hosts || exit 77; exec "$@"',
            *("sh", sys.executable, str(folder / "program.py")),
            *(call, f"http://localhost:{port}", json.dumps(given)),
        ],
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_MAX_ATTEMPTS": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode in (1, 77) and "Traceback" not in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_put_is_what_functions_read_on_every_edge(up: Up, tmp_path: Path) -> None:
    key = key_of(up)
    client = boto3.client(
        "cloudfront",
        endpoint_url=up.installation.control,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )
    store = client.create_key_value_store(Name="redirects")["KeyValueStore"]["ARN"]
    reads = {"Quantity": 1, "Items": [{"KeyValueStoreARN": store}]}
    config = {
        "Comment": "", "Runtime": "cloudfront-js-2.0", "KeyValueStoreAssociations": reads,
    }  # fmt: skip
    made = client.create_function(Name="redirect", FunctionConfig=config, FunctionCode=CODE)
    code, out, errors = up.installation.run("functions", "publish", "redirect")
    assert (code, errors) == (0, ""), out
    wanted = site("redirects")
    arn = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    runs = [{"FunctionARN": arn, "EventType": "viewer-request"}]
    wanted["DefaultCacheBehavior"] |= {"FunctionAssociations": {"Quantity": 1, "Items": runs}}
    one = client.create_distribution(DistributionConfig=wanted)["Distribution"]
    domain = one["DomainName"]

    def answers() -> set[tuple[int, str]]:
        """Of both locations, whose first has two workers."""
        urls = [f"{up.lhr}/old"] * 4 + [f"{up.nrt}/old"] * 2
        found = [curl(url, "-H", f"Host: {domain}") for url in urls]
        return {(answer.status, answer.fields.get("location", "")) for answer in found}

    items = [{"Key": "/old", "Value": "/new"}, {"Key": "/other", "Value": "/"}]
    assert called(up, "update_keys", KvsARN=store, Puts=items) == "2"
    wait_for("every edge redirects", lambda: answers() == {(302, "/new")})
    assert called(up, "put_key", KvsARN=store, Key="/old", Value="/newer") == "2"
    wait_for("every edge redirects anew", lambda: answers() == {(302, "/newer")})

    deployed = client.describe_function(Name="redirect", Stage="LIVE")["FunctionSummary"]["Status"]
    assert deployed == "DEPLOYED"
    event = tmp_path / "event.json"
    event.write_text(json.dumps(EVENT))
    code, out, errors = up.installation.run("functions", "test", "redirect", str(event))
    assert (code, errors) == (0, "")
    assert json.loads(out.splitlines()[-1])["response"]["headers"]["location"]["value"] == "/newer"
    code, out, _ = up.installation.run("functions", "list")
    assert code == 0
    assert "DEPLOYED" in out
    changes = up.installation.run("changes")[1]
    assert "PutKey redirects" in changes
    assert "/newer" not in changes
