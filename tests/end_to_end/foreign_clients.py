"""Clients of CloudFront's API other people made: AWS's command line, AWS's SDK for JavaScript.

What they print is the caller's to judge; UnavailableError when one cannot be installed.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from edgecache.control.cloudfront.authentication import AccessKey
from tests.end_to_end.foreign import installed, make_node_modules
from tests.end_to_end.foreign_signers import AWSCLI, install_awscli

JAVASCRIPT = "3.1164.0"
CALL_S_MAX = 60

_SCRIPT = """
import {
  CloudFrontClient, CreateDistributionCommand, CreateInvalidationCommand,
  DeleteDistributionCommand, GetDistributionConfigCommand, GetInvalidationCommand,
  GetFieldLevelEncryptionCommand, UpdateDistributionCommand, waitUntilDistributionDeployed,
  waitUntilInvalidationCompleted,
} from "@aws-sdk/client-cloudfront";
import {readFileSync} from "node:fs";
const job = JSON.parse(readFileSync(0, "utf8"));
const client = new CloudFrontClient({
  endpoint: job.endpoint, region: "us-east-1", maxAttempts: 1, credentials: job.credentials});
const send = (command) => client.send(command);
const told = {};
const created = await send(new CreateDistributionCommand({DistributionConfig: job.config}));
const Id = created.Distribution.Id;
told.created = [created.$metadata.httpStatusCode, created.Location, created.ETag, Id];
const wait = {client, maxWaitTime: 10, minDelay: 1, maxDelay: 1};
told.deployed = (await waitUntilDistributionDeployed(wait, {Id})).state;
const read = await send(new GetDistributionConfigCommand({Id}));
const DistributionConfig = {
  ...read.DistributionConfig, Comment: "by JavaScript <&>", Enabled: false};
const updated = await send(
  new UpdateDistributionCommand({Id, IfMatch: read.ETag, DistributionConfig}));
told.updated = updated.Distribution.DistributionConfig.Comment;
try {
  await send(new UpdateDistributionCommand({Id, IfMatch: read.ETag, DistributionConfig}));
} catch (error) {
  told.stale = [error.name, error.$metadata.httpStatusCode];
}
const batch = {CallerReference: "js", Paths: {Quantity: 2, Items: ["/*", "/a%20b"]}};
const invalidated = await send(
  new CreateInvalidationCommand({DistributionId: Id, InvalidationBatch: batch}));
told.paths = invalidated.Invalidation.InvalidationBatch.Paths.Items;
told.completed = (await waitUntilInvalidationCompleted(
  wait, {DistributionId: Id, Id: invalidated.Invalidation.Id})).state;
try { await send(new GetFieldLevelEncryptionCommand({Id: "C1"})); } catch (error) {
  told.unsupported = [error.name, error.$metadata.httpStatusCode];
}
await waitUntilDistributionDeployed(wait, {Id});
await send(new DeleteDistributionCommand({Id, IfMatch: updated.ETag}));
console.log(JSON.stringify(told));
"""


def aws(endpoint: str, key: AccessKey, folder: Path, *arguments: str) -> tuple[int, Any, str]:
    """Exit code, what `aws cloudfront …` printed (JSON, or None), and standard error."""
    program = installed(f"awscli-{AWSCLI}", install_awscli)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),  # no configuration of the person who runs the tests
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_CLOUDFRONT": endpoint,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }
    done = subprocess.run(
        [str(program), "cloudfront", *arguments, "--output", "json"],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=CALL_S_MAX,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def javascript(endpoint: str, key: AccessKey, config: dict[str, Any]) -> dict[str, Any]:
    """What AWS's SDK for JavaScript saw on its way through a distribution's life."""
    script = installed(f"client-cloudfront-{JAVASCRIPT}", _install)
    credentials = {
        "accessKeyId": key.access_key_id,
        "secretAccessKey": key.secret_access_key,
    }
    job = {"endpoint": endpoint, "credentials": credentials, "config": config}
    program = script.with_name("drive.mjs")
    program.write_text(_SCRIPT)
    done = subprocess.run(
        ["node", str(program)],
        input=json.dumps(job), capture_output=True, text=True, timeout=CALL_S_MAX,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _install(folder: Path) -> Path:
    make_node_modules(folder, f"@aws-sdk/client-cloudfront@{JAVASCRIPT}")
    return folder / "node_modules"
