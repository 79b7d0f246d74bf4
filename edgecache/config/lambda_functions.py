"""Model of Lambda@Edge functions, and of the behaviors that run them. Law: data only.

The code stays in its folder, on every machine whose nodes run it, at the path that is told here;
`code_sha256` is what control found there, so that other code is another configuration. CloudFront
API reference: LambdaFunctionAssociation; Lambda API reference: CreateFunction.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from edgecache.config.base import MIB, Model
from edgecache.config.problems import Problems, quoted

LambdaRuntime = Literal["nodejs", "python"]
LambdaEvent = Literal["viewer-request", "origin-request", "origin-response", "viewer-response"]
CODE_BYTES_MAX = 250 * MIB  # Lambda's quota for a package that is unzipped
FILES_MAX = 20_000
ARN = re.compile(
    r"arn:aws:lambda:us-east-1:[0-9]{12}:function:"
    r"(?P<name>[A-Za-z0-9_-]{1,64}):(?P<version>[1-9][0-9]{0,8})"
)
NODE_SUFFIXES = (".js", ".mjs", ".cjs")


class LambdaFunctionConfig(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of a Lambda function: the code in `folder`, of which `handler` is called.

    `handler` is a file without its suffix, a dot, and a name in it: `index.handler`. At most
    `processes_max` processes run it in each process of ours that has viewers or origins to ask.
    """

    name: str
    version: int = 1
    runtime: LambdaRuntime
    folder: str
    handler: str
    timeout_s: int = 3
    memory_mb: int = 128
    processes_max: int = 4
    code_sha256: str = ""

    @property
    def label(self) -> str:
        """Name and version, as an ARN ends."""
        return f"{self.name}:{self.version}"


class LambdaFunctionAssociation(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version of a Lambda function, by its ARN, that a behavior runs at an event.

    With `include_body` it is shown what the body of a request begins with.
    """

    event_type: LambdaEvent
    function_arn: str
    include_body: bool = False


def label_of(function_arn: str) -> str:
    """Name and version that an ARN names; empty where it is no ARN of a numbered version."""
    found = ARN.fullmatch(function_arn)
    return "" if found is None else f"{found['name']}:{found['version']}"


def read_code_folders(
    functions: tuple[LambdaFunctionConfig, ...], folder: Path, problems: Problems
) -> tuple[LambdaFunctionConfig, ...]:
    """The functions with the digests of their code; paths are relative to `folder`."""
    return tuple(
        _with_digest(one, folder, f"lambda_functions[{index}]", problems)
        for index, one in enumerate(functions)
    )


def handler_file(function: LambdaFunctionConfig) -> Path | None:
    """The file that has the handler; None: there is none, or the handler names none."""
    module, dot, _ = function.handler.rpartition(".")
    if not dot or not module or ".." in module or "\0" in module:
        return None
    suffixes = (".py",) if function.runtime == "python" else NODE_SUFFIXES
    path = module.replace(".", "/") if function.runtime == "python" else module
    files = [Path(function.folder, path + suffix) for suffix in suffixes]
    return next((file for file in files if file.is_file()), None)


def _with_digest(
    function: LambdaFunctionConfig, folder: Path, where: str, problems: Problems
) -> LambdaFunctionConfig:
    if function.code_sha256:
        problems.add(f"{where}.code_sha256", "is what is found in the folder, and not to be said")
    if not function.folder or "\0" in function.folder:
        problems.add(f"{where}.folder", f"{quoted(function.folder)} is not a path")
        return function
    found = replace(function, folder=str((folder / function.folder).resolve()))
    root = Path(found.folder)
    if not root.is_dir():
        problems.add(f"{where}.folder", f"no such folder: {found.folder}")
        return found
    if handler_file(found) is None:
        problems.add(f"{where}.handler", f"{quoted(found.handler)} names no file in {root}")
        return found
    try:
        return replace(found, code_sha256=_digest(root))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problems.add(f"{where}.folder", f"{reason}: {error.filename or root}")
    except ValueError as error:
        problems.add(f"{where}.folder", str(error))
    return found


def _digest(root: Path) -> str:
    """Of every file's path and content. ValueError when it is more than Lambda takes."""
    digest, total = hashlib.sha256(), 0
    for count, path in enumerate(_files(root), 1):
        content = path.read_bytes()
        total += len(content)
        if total > CODE_BYTES_MAX or count > FILES_MAX:
            raise ValueError(f"more than {CODE_BYTES_MAX // MIB} MiB, or {FILES_MAX} files")
        name = str(path.relative_to(root)).encode("utf-8", "surrogateescape")
        digest.update(b"%d:%b%d:" % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    """Every file below a folder, in an order of their own; what Python makes is none of the code's.

    A link to a folder is not followed: it may lead up.
    """
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file():
                yield path
