"""S3-compatible stores other people made, which check signatures: moto (botocore's) and s3rver."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from botocore.config import Config
from botocore.session import Session

from edgecache.config.secrets import KeyPair
from tests.end_to_end.foreign import installed, make_node_modules, make_venv
from tests.end_to_end.processes import Running, free_ports, listens, start

MOTO = "5.2.2"
S3RVER = "5.0.0"  # a fork of s3rver that checks version 4 of the signature
BUCKET = "media"
REGION = "eu-west-2"
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:GetObjectVersion"],
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
    ],
}
# It lets anonymous requests in, as to a public bucket: those are turned away before.
_SCRIPT = """
const http = require("node:http");
const S3rver = require("@20minutes/s3rver");
const Account = require("@20minutes/s3rver/lib/models/account");
const [port, directory, id, secret, bucket] = process.argv.slice(2);
Account.DUMMY_ACCOUNT.createKeyPair(id, secret);
const store = new S3rver({directory, silent: true, configureBuckets: [{name: bucket}]});
const answer = store.callback();
store.configureBuckets().then(() => http.createServer((request, response) => {
  if (request.headers.authorization) return answer(request, response);
  response.writeHead(403).end();
}).listen(Number(port), "127.0.0.1"));
"""


@dataclass(frozen=True, slots=True)
class Store:
    """One that runs, with a bucket `media`."""

    process: Running
    port: int
    pairs: list[KeyPair] = field(default_factory=list)

    def client(self, pair: KeyPair | None = None, service: str = "s3") -> Any:
        """botocore's, as whoever `pair` is; without one as the store's owner."""
        used = pair or (self.pairs or [KeyPair("owner", "owner")])[0]
        return Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=used.access_key_id,
            aws_secret_access_key=used.secret_access_key,
            config=Config(
                s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
            ),
        )


class Moto(Store):
    """moto's server. Until `closed`, everybody may do everything."""

    def new_pair(self) -> KeyPair:
        """A key pair of the user who may read and write objects, and nothing else."""
        made = self.client(service="iam").create_access_key(UserName="cdn")["AccessKey"]
        return KeyPair(made["AccessKeyId"], made["SecretAccessKey"])

    def delete(self, pair: KeyPair) -> None:
        self.opened()
        self.client(service="iam").delete_access_key(UserName="cdn", AccessKeyId=pair.access_key_id)
        self.closed()

    def opened(self) -> None:
        """Everybody may do everything."""
        self._check_after("inf")

    def closed(self) -> None:
        """Signatures are checked, and what their key may do."""
        self._check_after("0")

    def _check_after(self, count: str) -> None:
        url = f"http://127.0.0.1:{self.port}/moto-api/reset-auth"
        answer = httpx.post(url, content=count, headers={"Content-Type": "text/plain"})
        assert answer.status_code == 200, answer

    def gets(self, key: str) -> int:
        """How often an object was asked for."""
        return self.process.stderr.count(f'"GET /{BUCKET}/{key} ')


def start_moto(folder: Path) -> Moto:
    """moto with a bucket and a user. UnavailableError when it cannot be installed."""
    program = installed(f"moto-{MOTO}", _install_moto)
    (port,) = free_ports(1)
    process = start([str(program), "-H", "127.0.0.1", "-p", str(port)], folder, "moto")
    process.until("moto listens", lambda: listens(port))
    store = Moto(process, port)
    iam = store.client(service="iam")
    iam.create_user(UserName="cdn")
    iam.put_user_policy(UserName="cdn", PolicyName="p", PolicyDocument=json.dumps(_POLICY))
    store.client().create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return store


def start_s3rver(folder: Path) -> Store:
    """s3rver with a bucket and one key pair. UnavailableError as above."""
    script = installed(f"s3rver-{S3RVER}", _install_s3rver)
    (port,) = free_ports(1)
    pair = KeyPair("AKIDSTORE", "a/secret+of/the=store")
    data = folder / "s3rver"
    data.mkdir()
    command = ["node", str(script), str(port), str(data)]
    command += [pair.access_key_id, pair.secret_access_key, BUCKET]
    process = start(command, folder, "s3rver-said")
    process.until("s3rver listens", lambda: listens(port))
    return Store(process, port, [pair])


def _install_moto(folder: Path) -> Path:
    make_venv(folder, f"moto[s3]=={MOTO}", "flask>=3", "flask-cors>=6")
    return folder / "bin" / "moto_server"


def _install_s3rver(folder: Path) -> Path:
    make_node_modules(folder, f"@20minutes/s3rver@{S3RVER}")
    script = folder / "store.cjs"
    script.write_text(_SCRIPT)
    return script
