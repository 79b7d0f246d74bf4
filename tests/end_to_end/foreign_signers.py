"""CloudFront signers other people made: botocore, AWS's command line, AWS's SDK for JavaScript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.signers import CloudFrontSigner

from tests.end_to_end.foreign import installed, make_node_modules, make_venv, ran
from tests.rules.private.signers import Signer

AWSCLI = "1.46.3"
JAVASCRIPT = "3.1166.0"

_SCRIPT = """
import {getSignedUrl, getSignedCookies} from "@aws-sdk/cloudfront-signer";
import {readFileSync} from "node:fs";
const jobs = JSON.parse(readFileSync(0, "utf8"));
const made = jobs.map(({cookies, ...job}) =>
  cookies ? getSignedCookies(job) : getSignedUrl(job));
console.log(JSON.stringify(made));
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be opened: a URL, or with `resource` a pattern; times are epoch seconds."""

    url: str
    before: int
    resource: str = ""
    after: int | None = None
    address: str = ""

    @property
    def custom(self) -> bool:
        return bool(self.resource or self.after or self.address)


def by_botocore(signer: Signer, wanted: Sequence[Wanted]) -> list[str]:
    """Signed URLs."""
    made = CloudFrontSigner(signer.key_id, signer.sign)
    urls = []
    for one in wanted:
        if not one.custom:
            end = datetime.fromtimestamp(one.before, UTC)
            urls.append(made.generate_presigned_url(one.url, date_less_than=end))
            continue
        policy = made.build_policy(
            one.resource or one.url,
            datetime.fromtimestamp(one.before, UTC),
            date_greater_than=datetime.fromtimestamp(one.after, UTC) if one.after else None,
            ip_address=one.address or None,
        )
        urls.append(made.generate_presigned_url(one.url, policy=policy))
    return [str(url) for url in urls]


def by_awscli(signer: Signer, wanted: Sequence[Wanted]) -> list[str]:
    """Signed URLs; it knows no resource but the URL."""
    program = installed(f"awscli-{AWSCLI}", install_awscli)
    key = program.parent / f"{signer.key_id}.pem"
    key.write_text(signer.private_pem)
    urls = []
    for one in wanted:
        command = [str(program), "cloudfront", "sign", "--url", one.url, "--date-less-than"]
        command += [str(one.before), "--key-pair-id", signer.key_id]
        command += ["--private-key", f"file://{key}"]
        command += ["--date-greater-than", str(one.after)] if one.after else []
        command += ["--ip-address", one.address] if one.address else []
        urls.append(ran(command).strip())
    return urls


def by_javascript(signer: Signer, wanted: Sequence[Wanted], *, cookies: bool = False) -> list[Any]:
    """Signed URLs, or for each the cookies by name."""
    script = installed(f"cloudfront-signer-{JAVASCRIPT}", _install_javascript)
    jobs = [_job(signer, one) | {"cookies": cookies} for one in wanted]
    made: list[Any] = json.loads(ran(["node", str(script)], json.dumps(jobs)))
    return made


def _job(signer: Signer, one: Wanted) -> dict[str, Any]:
    job: dict[str, Any] = {"keyPairId": signer.key_id, "privateKey": signer.private_pem}
    if one.custom:
        policy = signer.policy(
            one.resource or one.url, one.before, after=one.after, address=one.address
        )
        return job | {"url": one.url, "policy": policy.decode()}
    return job | {
        "url": one.url,
        "dateLessThan": datetime.fromtimestamp(one.before, UTC).isoformat(),
    }


def install_awscli(folder: Path) -> Path:
    """AWS's command line."""
    make_venv(folder, f"awscli=={AWSCLI}")
    return folder / "bin" / "aws"


def _install_javascript(folder: Path) -> Path:
    make_node_modules(folder, f"@aws-sdk/cloudfront-signer@{JAVASCRIPT}")
    script = folder / "sign.mjs"
    script.write_text(_SCRIPT)
    return script
