"""Client of control: botocore for CloudFront's API, httpx with a token for the REST API."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecache.cli.options import fail, load_config, refuse
from edgecache.config.model import Config

if TYPE_CHECKING:
    from edgecache.control.cloudfront.authentication import AccessKey

KEY_ENV = ("EDGECACHE_ACCESS_KEY_ID", "EDGECACHE_SECRET_ACCESS_KEY")
URL_ENV = "EDGECACHE_CONTROL"
ANSWER_S_MAX = 60.0  # botocore's own bound on an answer
REGION = "us-east-1"  # CloudFront's, for every region


def endpoint(config: Config, env: Mapping[str, str] | None = None) -> str:
    """URL of control: `EDGECACHE_CONTROL`, or where the file says."""
    from edgecache.cluster.control_access import control_url

    url = (os.environ if env is None else env).get(URL_ENV) or control_url(config)
    if not url:
        refuse(["there is no [control] to ask"])
    return url


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


def access_key(config: Config) -> AccessKey:
    """Access key to sign with: of the environment, else the newest operator's of this machine."""
    from edgecache.control.cloudfront.authentication import AccessKey, access_keys

    key_parts = [os.environ.get(name, "") for name in KEY_ENV]
    if all(key_parts):
        return AccessKey("environment", *key_parts)
    return access_keys(operator_secrets(config))[-1]


def operator_token(config: Config) -> str:
    """An operator's token, good for an hour."""
    from edgecache.cluster.tokens import Tokens
    from edgecache.runtime.environment import wall_clock

    keys = [*operator_secrets(config).values()]
    return Tokens(keys, wall_clock).issue("command-line")


def call_api(path: Path, work: Callable[[Any], Any]) -> Any:
    """Result of `work` with a client of CloudFront's API; refusals are told, with exit code 1."""
    import botocore.session
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import BotoCoreError, ClientError

    config = load_config(path)
    url, key = endpoint(config), access_key(config)
    client = botocore.session.Session().create_client(
        "cloudfront",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=ClientConfig(retries={"total_max_attempts": 2}, proxies={}),
    )
    try:
        return work(client)
    except ClientError as error:
        refusal: Any = error.response["Error"]
        fail(f"{refusal['Code']}: {refusal['Message']}")
    except BotoCoreError as error:
        fail(f"control at {url}: {error}")


def ask_control(path: Path, method: str, target: str, wish: Mapping[str, Any] | None = None) -> Any:
    """The JSON control answers at `target`; refusals are told, with exit code 1."""
    import httpx

    from edgecache.cluster.control_access import control_access

    config = load_config(path)
    url = endpoint(config)
    local = "" if os.environ.get(URL_ENV) else control_access(config).socket
    headers = {} if local else {"authorization": f"Bearer {operator_token(config)}"}
    transport = httpx.HTTPTransport(uds=local or None)
    try:
        with httpx.Client(transport=transport, timeout=ANSWER_S_MAX, trust_env=False) as client:
            answer = client.request(method, url + target, json=wish, headers=headers)
            document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        fail(f"control at {url}: {error or type(error).__name__}")
    if not answer.is_success:
        problems = map(str, document.get("problems", []))
        fail("\n  ".join([str(document.get("error", answer.status_code)), *problems]))
    return document
