"""CloudFront signers other people made: botocore, AWS's command line, AWS's SDK for JavaScript.

What is not a dependency of the tests is installed under var/ by name and version, once.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.signers import CloudFrontSigner

from tests.rules.signers import Signer

FOLDER = Path(__file__).resolve().parents[2] / "var" / "signers"
AWSCLI = "1.46.3"
JAVASCRIPT = "3.1166.0"
INSTALL_S_MAX = 180  # a registry that needs longer is down

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


class UnavailableError(Exception):
    """A signer cannot be run here, and why."""


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
    program = _installed("awscli", AWSCLI, _install_awscli)
    key = program.parent / f"{signer.key_id}.pem"
    key.write_text(signer.private_pem)
    urls = []
    for one in wanted:
        command = [str(program), "cloudfront", "sign", "--url", one.url, "--date-less-than"]
        command += [str(one.before), "--key-pair-id", signer.key_id]
        command += ["--private-key", f"file://{key}"]
        command += ["--date-greater-than", str(one.after)] if one.after else []
        command += ["--ip-address", one.address] if one.address else []
        urls.append(_run(command).strip())
    return urls


def by_javascript(signer: Signer, wanted: Sequence[Wanted], *, cookies: bool = False) -> list[Any]:
    """Signed URLs, or for each the cookies by name."""
    script = _installed("javascript", JAVASCRIPT, _install_javascript)
    jobs = [_job(signer, one) | {"cookies": cookies} for one in wanted]
    made: list[Any] = json.loads(_run(["node", str(script)], json.dumps(jobs)))
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


def _installed(name: str, version: str, install: Callable[[Path, str], Path]) -> Path:
    """The program, installed first when this version is not there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / f"{name}-{version}"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once must not install over each other
        done = folder / "done"
        if not done.exists():
            program = install(folder, version)
            done.write_text(str(program))
        return Path(done.read_text())


def _install_awscli(folder: Path, version: str) -> Path:
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    _run([*pip, f"awscli=={version}"])
    return folder / "bin" / "aws"


def _install_javascript(folder: Path, version: str) -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    folder.mkdir(exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
    package = f"@aws-sdk/cloudfront-signer@{version}"
    _run(["npm", "install", "--prefix", str(folder), *quiet, package])
    script = folder / "sign.mjs"
    script.write_text(_SCRIPT)
    return script


def _run(command: list[str], given: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{command[0]} took longer than {INSTALL_S_MAX} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise UnavailableError(f"{' '.join(command[:3])}: {last}")
    return done.stdout
