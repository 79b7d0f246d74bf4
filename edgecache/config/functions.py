"""Model of functions that run at the edge, as nodes are told of them. Law: data only.

CloudFront API reference: FunctionConfig, FunctionAssociation, KeyValueStoreAssociation. The code
travels in the configuration and not by its path: nodes may be elsewhere. What a distribution names
is the live stage; another stage is published for nobody but who tests it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from edgecache.config.base import Model
from edgecache.config.problems import Problems, quoted

FunctionRuntime = Literal["cloudfront-js-1.0", "cloudfront-js-2.0"]
FunctionStage = Literal["DEVELOPMENT", "LIVE"]
FunctionEvent = Literal["viewer-request", "viewer-response"]
CODE_BYTES_MAX = 10_240  # CloudFront's quota for one function
HOOK_PREFIX = "python:"  # of a hook's name, where functions have theirs
INSTALL = "pip install 'edgecache[functions]'"


class FunctionConfig(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CloudFront function. In a file `code_file` names its source, which is `code` at nodes.

    `key_value_stores` are the ids of the stores its code may read (CloudFront takes one).
    """

    name: str
    runtime: FunctionRuntime = "cloudfront-js-2.0"
    stage: FunctionStage = "LIVE"
    code: str = ""
    code_file: str = ""
    comment: str = ""
    key_value_stores: tuple[str, ...] = ()


class PythonHookConfig(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function of the operator's own, `(event) -> event`, of a module or a file of Python.

    It is this machine's file's to say, and travels nowhere.
    """

    name: str
    module: str = ""
    file: str = ""
    function: str = "handler"

    @property
    def place(self) -> str:
        """Where it is."""
        return self.file or self.module


class FunctionAssociation(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The function, or else the Python hook, by its name, that a behavior runs at an event."""

    event_type: FunctionEvent
    function: str = ""
    python_hook: str = ""

    @property
    def runs(self) -> str:
        """What is run, by a name that no other has."""
        return self.function or HOOK_PREFIX + self.python_hook


def read_code_files(
    functions: tuple[FunctionConfig, ...], folder: Path, problems: Problems
) -> tuple[FunctionConfig, ...]:
    """The functions with every `code_file` read; paths are relative to `folder`."""
    return tuple(
        _with_code(one, folder, f"functions[{index}]", problems)
        for index, one in enumerate(functions)
    )


def _with_code(
    function: FunctionConfig, folder: Path, where: str, problems: Problems
) -> FunctionConfig:
    if not function.code_file:
        return function
    place = f"{where}.code_file"
    if function.code:
        problems.add(place, "not used with code")
        return replace(function, code_file="")
    code = ""
    try:
        with (folder / function.code_file).open("rb") as opened:
            code = opened.read(CODE_BYTES_MAX + 1).decode()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problems.add(place, f"{quoted(function.code_file)}: {reason}")
    except UnicodeDecodeError:
        problems.add(place, f"{quoted(function.code_file)} is not UTF-8 text")
    except ValueError as error:  # a null byte in the name
        problems.add(place, f"{quoted(function.code_file)}: {error}")
    if problems.is_suppressed(place):
        problems.suppress(f"{where}.code")
    return replace(function, code=code, code_file="")
