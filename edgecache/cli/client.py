"""Client of control for commands: its REST API, and CloudFront's by botocore.

Law: both go the same way, which is `control_of`'s: by the environment, for which no file is needed,
else by the configuration file. What control refuses is told in one line, with exit code 1.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecache.cli.options import fail, load_config, refuse
from edgecache.cluster.control_access import (
    CA_ENV,
    KEY_ENV,
    REGION,
    TOKEN_ENV,
    URL_ENV,
    AccessError,
    ControlAccess,
    control_access,
    control_url,
    control_urls,
    environment_access,
    environment_credentials,
)
from edgecache.config.model import Config
from edgecache.rules.sigv4 import Credential

if TYPE_CHECKING:
    from edgecache.cluster.client import ControlAnswer, ControlQuestion

ANSWER_S_MAX = 60.0  # botocore's own bound on an answer
_CREDENTIALS = f"{KEY_ENV[0]} with {KEY_ENV[1]}, or {TOKEN_ENV}"


def control_of(path: Path) -> ControlAccess:
    """The way to control: as the environment says, else as the file at `path` does.

    Where the environment names control and nothing that admits us, the file's state_dir may.
    """
    try:
        found = environment_access(os.environ)
        key, token = environment_credentials(os.environ)
    except AccessError as error:
        refuse([str(error)])
    if found is not None:
        return _with_secrets_of(path, found) if found.is_open and path.exists() else found
    if not path.exists():
        without = f"without a file, set {URL_ENV}, and {_CREDENTIALS}"
        refuse([f"{path}: no such file or directory; {without}"])
    config = load_config(path)
    here = control_access(config)
    if not here.url:
        refuse([f"{path}: there is no [control] to ask"])
    if key or token:
        url, *others = control_urls(config)
        return ControlAccess(url, "", token, key, os.environ.get(CA_ENV, ""), tuple(others))
    if here.is_open:
        operator_secrets(config)
    return here


def controls_of(path: Path) -> list[ControlAccess]:
    """The way to each control of the installation that is named, as `control_of` has it."""
    first = control_of(path)
    urls = [first.url, *first.others]
    if first.socket and len(named := control_urls(load_config(path))) > 1:
        urls = list(named)  # a socket file leads to one of them: which one, it does not say
        token = operator_token(load_config(path))
        first = ControlAccess(urls[0], "", token, None, os.environ.get(CA_ENV, ""))
    return [replace(first, url=url, others=()) for url in dict.fromkeys(urls)]


def _with_secrets_of(path: Path, control: ControlAccess) -> ControlAccess:
    token = operator_token(load_config(path))
    return replace(control, token=token)


def names_control() -> bool:
    """Whether the environment says where control is."""
    return bool(os.environ.get(URL_ENV))


def operator_secrets(config: Config) -> Mapping[str, str]:
    """Operators' secrets by id, which must be there: only the owner of their file may ask."""
    from edgecache.config.secrets import (
        SecretsError,
        has_former_operators,
        load_operators,
        operators_path,
    )

    path = operators_path(config.state_dir, os.environ)
    try:
        if not path.exists() and not has_former_operators(config.state_dir, os.environ):
            fail(f"{path}: is not there yet; it is made when control starts")
        return load_operators(config.state_dir, os.environ)
    except SecretsError as error:
        refuse([str(error)])


def signing_access(path: Path) -> tuple[str, Credential, str]:
    """Control's URL, an access key and a file of authorities, as AWS's tools want them.

    Of the environment, else the key that the newest operator's secret of this machine gives.
    """
    control = control_of(path)
    url, key, ca_file = control.url, control.key, os.environ.get(CA_ENV, "")
    if control.socket:
        url = control_url(load_config(path))
    if key is None:
        from edgecache.control.cloudfront.authentication import access_keys

        made = access_keys(operator_secrets(load_config(path)))[-1]
        key = Credential(made.access_key_id, made.secret_access_key, REGION)
    return url, key, ca_file


def operator_token(config: Config) -> str:
    """An operator's token, good for an hour."""
    from edgecache.cluster.tokens import Tokens
    from edgecache.runtime.environment import wall_clock

    keys = [*operator_secrets(config).values()]
    return Tokens(keys, wall_clock).issue("command-line")


def call_api(path: Path, work: Callable[[Any], Any]) -> Any:
    """Result of `work` with a client of CloudFront's API; refusals are told, with exit code 1."""
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError, ClientError

    control = control_of(path)
    client = botocore.session.Session().create_client(
        "cloudfront",
        region_name=REGION,
        endpoint_url=control.url,
        config=ClientConfig(retries={"total_max_attempts": 1}, signature_version=UNSIGNED),
    )
    client.meta.events.register("before-send.cloudfront", _sender(control))
    try:
        return work(client)
    except ClientError as error:
        refusal: Any = error.response["Error"]
        fail(_refusal(control, f"{refusal['Code']}: {refusal['Message']}", _status(error.response)))
    except (BotoCoreError, OSError) as error:
        fail(f"control at {control.url}: {error}")


def _status(response: Any) -> int:
    return int(response["ResponseMetadata"]["HTTPStatusCode"])


def _sender(control: ControlAccess) -> Callable[..., Any]:
    """Sends what botocore has prepared the way everything goes to control, and signs it so."""

    def send(request: Any, **_: object) -> Any:
        from urllib.parse import urlsplit

        from botocore.awsrequest import AWSResponse

        from edgecache.cluster.client import ControlQuestion, put_question

        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        question = ControlQuestion(
            target,
            request.method,
            body.encode() if isinstance(body, str) else bytes(body),
            tuple((name, _text(value)) for name, value in request.headers.items() if _kept(name)),
            ANSWER_S_MAX,
        )
        answer = asyncio.run(put_question(control, question))
        return AWSResponse(request.url, answer.status, answer.fields, _Raw(answer.body))

    return send


class _Raw:
    """A body that is all here, as botocore reads one from the network."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


def _kept(name: str) -> bool:
    """Whether a field of botocore's is sent: length and host are whoever sends them."""
    return name.lower() not in ("content-length", "host", "expect")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def ask_control(path: Path, method: str, target: str, wish: Mapping[str, Any] | None = None) -> Any:
    """The JSON control answers at `target`; refusals are told, with exit code 1."""
    import json

    from edgecache.cluster.client import ControlQuestion

    control = control_of(path)
    body = b"" if wish is None else json.dumps(wish).encode()
    fields = (("content-type", "application/json"),) if body else ()
    answer = question_control(control, ControlQuestion(target, method, body, fields, ANSWER_S_MAX))
    return json.loads(answer.body)


def question_control(control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
    """Control's answer, which is JSON and no refusal; those are told, with exit code 1."""
    try:
        return asyncio.run(answer_of(control, question))
    except NotAnsweredError as error:
        fail(str(error))


def answer_or_problem(
    control: ControlAccess, question: ControlQuestion
) -> tuple[ControlAnswer | None, str]:
    """Control's answer to a question; or None, and why there is none."""
    try:
        return asyncio.run(answer_of(control, question)), ""
    except NotAnsweredError as error:
        return None, str(error)


class NotAnsweredError(Exception):
    """Control is not there, is somebody else, or refuses: what is told of it."""


async def answer_of(control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
    """Control's answer, which is JSON and no refusal. NotAnsweredError."""
    import json

    from edgecache.cluster.client import put_question

    try:
        answer = await put_question(control, question)
    except OSError as error:
        raise NotAnsweredError(f"control at {control.url}: {error}") from error
    try:
        document = json.loads(answer.body)
    except ValueError:
        odd = f"answered {answer.status}, and no JSON: is it control?"
        raise NotAnsweredError(f"control at {control.url} {odd}") from None
    if answer.status < 300:
        return answer
    problems = map(str, document.get("problems", []))
    words = str(document.get("error", f"answered {answer.status}"))
    raise NotAnsweredError(_refusal(control, "\n  ".join([words, *problems]), answer.status))


def _refusal(control: ControlAccess, words: str, status: int) -> str:
    """A refusal as it is told; whom control does not know is told what would admit it."""
    if status == 401 and control.is_open:
        return f"control at {control.url}: {words}; set {_CREDENTIALS}"
    ours = status in (401, 403) or status >= 500  # else it is what was asked for that is wrong
    return f"control at {control.url}: {words}" if ours else words
