"""Terraform with AWS's provider, run on `examples/terraform` against a control that runs.

EDGECACHE_TERRAFORM_PLUGINS names a folder that holds the provider as `terraform providers mirror`
lays it out: nothing is fetched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgecache.control.cloudfront.authentication import AccessKey
from tests.end_to_end.foreign import UnavailableError

VARIABLE = "EDGECACHE_TERRAFORM_PLUGINS"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "terraform"
SETTINGS = """
disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{ path = "{plugins}" }}
}}
"""
PLAN_IS_EMPTY, PLAN_HAS_CHANGES = 0, 2  # codes of `plan -detailed-exitcode`
COMMAND_S_MAX = (
    300  # a distribution is first looked at again after 30 s, and a destroy does it twice
)
NOT_MOUNTED = 77


@dataclass(frozen=True, slots=True)
class Terraform:
    """A copy of the example in a folder of its own, and how control is reached."""

    folder: Path
    key: AccessKey
    program: str
    hosts: str = ""  # lines of /etc/hosts while it runs, in a mount namespace

    def run(self, *arguments: str, **variables: object) -> tuple[int, str]:
        """Exit code and what a command said. UnavailableError: nothing can be mounted."""
        command = [self.program, *arguments, "-no-color"]
        if arguments[0] not in ("init", "output"):
            command += [
                "-input=false",
                *(f"-var={name}={value}" for name, value in variables.items()),
            ]
        done = subprocess.run(
            [*self._namespace(), *command],
            cwd=self.folder, env=self._environment(), capture_output=True, text=True,
            timeout=COMMAND_S_MAX,
        )  # fmt: skip
        if self.hosts and done.returncode == NOT_MOUNTED:
            raise UnavailableError("nothing can be mounted here")
        return done.returncode, done.stdout + done.stderr

    def _namespace(self) -> list[str]:
        if not self.hosts:
            return []
        file = self.folder / "hosts"
        file.write_text(self.hosts)
        mounted = f'mount --bind {file} /etc/hosts || exit {NOT_MOUNTED}; exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mounted, "sh"]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc"),
            "TF_IN_AUTOMATION": "1",
            "AWS_ACCESS_KEY_ID": self.key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key,
        }


def make_terraform(folder: Path, key: AccessKey, hosts: str = "") -> Terraform:
    """The example in `folder`, initialized. UnavailableError."""
    plugins, program = os.environ.get(VARIABLE, ""), shutil.which("terraform")
    if not plugins:
        raise UnavailableError(f"{VARIABLE} names no folder with the provider")
    if program is None:
        raise UnavailableError("terraform is not installed")
    shutil.copytree(EXAMPLE, folder)
    (folder / "cli.tfrc").write_text(SETTINGS.format(plugins=plugins))
    made = Terraform(folder, key, program, hosts)
    code, said = made.run("init")
    assert code == 0, said
    return made
