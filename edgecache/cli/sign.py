"""Commands sign-url, sign-cookies, explain-signature and keys: access to private content."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit

import typer

from edgecache.cli import keys
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_result,
    refuse,
)

if TYPE_CHECKING:
    from edgecache.rules.private.signer import Signer, SigningTerms

Signed = str | dict[str, str]  # a URL, or cookies by name
FOR_S_MAX = 10 * 366 * 86_400  # what is signed for longer is meant to be public

app = typer.Typer()
keys_app = typer.Typer(no_args_is_help=True, help="Keys of viewers' signatures, and of stores.")
keys_app.command("store", epilog=keys.STORE_EXAMPLES)(keys.store)
app.add_typer(keys_app, name="keys")

Url = Annotated[str, typer.Argument(help="http://HOST/PATH or https://HOST/PATH, as viewers ask.")]
For = Annotated[str, typer.Option("--for", help="How long from now: 90s, 15m, 1h, 7d.")]
Prefix = Annotated[str, typer.Option(help="Everything under this path of the URL's host.")]
Address = Annotated[str, typer.Option(help="Only for this address or network.")]
KeyId = Annotated[str, typer.Option("--key", help="Key id; without one the newest of our own.")]
Private = Annotated[
    Path | None, typer.Option("--private-key", help="PEM: sign as CloudFront's signers do.")
]
Resource = Annotated[str, typer.Option(help="Custom policy: a Resource, with * and ?.")]
Delay = Annotated[str, typer.Option("--after", help="Custom policy: not before so long from now.")]
Sha256 = Annotated[bool, typer.Option("--sha256", help="Sign with SHA256 instead of SHA1.")]


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """Options of sign-url and sign-cookies; those above `private_key` have been checked.

    `url` is as it goes over the wire; `seconds` is how long from now. Without `private_key` it is
    a token of our own that is made, and what stands below it must be empty.
    """

    url: str
    seconds: int
    prefix: str
    address: str
    key_id: str
    private_key: Path | None
    resource: str
    after: str
    sha256: bool
    config: Path


def _with_signing_options(
    signed: Callable[[SigningOptions], Signed],
) -> Callable[..., None]:
    """A command with the options of both, which prints what is `signed`, a line for each."""

    def command(
        url: Url,
        duration: For = "1h",
        prefix: Prefix = "",
        address: Address = "",
        key_id: KeyId = "",
        private_key: Private = None,
        resource: Resource = "",
        after: Delay = "",
        sha256: Sha256 = False,
        config: ConfigPath = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        _check_restrictions(prefix, address)
        options = SigningOptions(
            _encoded_url(url),
            _seconds(duration, "--for"),
            prefix,
            address,
            key_id,
            private_key,
            resource,
            after,
            sha256,
            config,
        )
        if private_key is None and (resource or after or sha256):
            refuse(["--resource, --after and --sha256 are CloudFront's: they need --private-key"])
        made = signed(options)
        if isinstance(made, str):
            print_result({"url": made}, made, as_json=as_json)
        else:
            lines = "\n".join(f"{name}={value}" for name, value in made.items())
            print_result({"cookies": made}, lines, as_json=as_json)

    command.__doc__ = signed.__doc__
    return command


@app.command(
    "sign-url",
    epilog="Examples: edgecache sign-url https://HOST/a.mp4 --for 1h;"
    " edgecache sign-url https://HOST/a.mp4 --for 1h --key K2JCJMDEHXQW5F --private-key key.pem",
)
@_with_signing_options
def sign_url(options: SigningOptions) -> Signed:
    """A URL that opens private content: with a token of our own, or as CloudFront's."""
    if options.private_key is None:
        from edgecache.rules.private.native_token import PARAMETER
        from edgecache.rules.private.signer import with_parameters

        return with_parameters(options.url, [(PARAMETER.decode(), _token(options))])
    signer = _signer(options, options.private_key)
    return signer.url(options.url, _terms(options))


@app.command(
    "sign-cookies",
    epilog="Example: edgecache sign-cookies https://HOST/ --prefix /videos/ --for 1d",
)
@_with_signing_options
def sign_cookies(options: SigningOptions) -> Signed:
    """The cookies that open private content, one NAME=VALUE a line."""
    if options.private_key is None:
        from edgecache.rules.private.native_token import COOKIE

        return {COOKIE.decode(): _token(options)}
    signer = _signer(options, options.private_key)
    return dict(signer.cookies(_terms(options)))


@app.command(
    "explain-signature",
    epilog="Example: edgecache explain-signature 'https://HOST/a.mp4?Expires=...&Signature=...'",
)
def explain_signature(
    url: Annotated[str, typer.Argument(help="The whole URL, as a viewer asks for it.")],
    cookie: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, or a whole Cookie header; may repeat.")
    ] = None,
    address: Annotated[str, typer.Option(help="The viewer's address.")] = "127.0.0.1",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell whether a signed URL or cookies open, and if not which part failed and why."""
    from edgecache.cli.explain_signature import explain_access, request_for
    from edgecache.config.secrets import SecretsError
    from edgecache.runtime.environment import wall_clock

    _checked_url(url)
    try:
        secrets = _secrets(config)
        request = request_for(url, cookie or [], address)
        opens, lines = explain_access(load_config(config), secrets, request, wall_clock())
    except SecretsError as error:
        refuse([str(error)])
    print_result({"opens": opens, "lines": lines}, "\n".join(lines), as_json=as_json)
    raise typer.Exit(0 if opens else 1)


@keys_app.command(
    "generate",
    epilog="Examples: edgecache keys generate team --type ecdsa;"
    " edgecache keys generate k2 --type native",
)
def generate(
    name: Annotated[str, typer.Argument(help="NAME.private.pem and NAME.public.pem are made.")],
    kind: Annotated[
        str, typer.Option("--type", help="rsa (2048 bits), ecdsa (P-256), or native: a secret.")
    ] = "rsa",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make a key pair, or a secret for our own tokens, and tell what to configure."""
    if kind not in ("rsa", "ecdsa", "native"):
        refuse([f'--type: "{kind}" is not rsa, ecdsa or native'])
    if kind == "native":
        _add_secret(name, config, as_json=as_json)
        return
    from edgecache.cli.keys import generate_private_key, write_key_pair

    try:
        key_id, lines = write_key_pair(name, generate_private_key(kind))
    except OSError as error:
        refuse([f"{error.filename}: {(error.strerror or str(error)).lower()}"])
    made = {"id": key_id, "private": f"{name}.private.pem", "public": f"{name}.public.pem"}
    print_result(made, "\n".join(lines), as_json=as_json)


def _add_secret(key_id: str, config: Path, *, as_json: bool) -> None:
    from edgecache.config.secrets import SecretsError, add_viewer_secret

    try:
        path = add_viewer_secret(load_config(config).state_dir, os.environ, key_id)
    except SecretsError as error:
        refuse([str(error)])
    text = f"# {path} has it. For each behavior it opens, beside the ids there are:\n"
    text += f'trusted_native_keys = ["{key_id}"]'
    print_result({"id": key_id, "file": str(path)}, text, as_json=as_json)


def _check_restrictions(prefix: str, address: str) -> None:
    if prefix and not prefix.startswith("/"):
        refuse([f'--prefix: "{prefix}" does not start with /'])
    if address:
        try:
            ip_network(address, strict=False)
        except ValueError:
            refuse([f'--address: "{address}" is not an address or network'])


def _encoded_url(url: str) -> str:
    """What is not ASCII goes over the wire percent-encoded, and that is what is signed."""
    return quote(_checked_url(url).partition("#")[0].rstrip("?&"), safe=string.punctuation)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path:
        refuse([f'URL: "{url}" is not http://HOST/PATH or https://HOST/PATH'])
    return url


def _seconds(text: str, option: str) -> int:
    from edgecache.config.units import parse_duration

    try:
        seconds = int(parse_duration(text))
    except ValueError:
        seconds = 0
    if not 0 < seconds <= FOR_S_MAX:
        refuse([f'{option}: "{text}" is not a time like 90s, 15m, 1h, 7d'])
    return seconds


def _secrets(config: Path) -> dict[str, str]:
    from edgecache.config.secrets import load_secrets, secrets_path

    state_dir = load_config(config).state_dir
    if not secrets_path(state_dir, os.environ).exists():
        return {}
    return dict(load_secrets(state_dir, os.environ).viewer)


def _token(options: SigningOptions) -> str:
    from edgecache.config.secrets import SecretsError
    from edgecache.rules.private.native_token import TokenGrant, issued, native_signer
    from edgecache.runtime.environment import wall_clock

    try:
        secrets = _secrets(options.config)
    except SecretsError as error:
        refuse([str(error)])
    key_id = options.key_id or next(reversed(secrets), "")
    if key_id not in secrets:
        if not secrets:
            fail("no secret for viewers yet; run: edgecache keys generate k1 --type native")
        fail(f'there is no secret "{key_id}" for viewers (known: {", ".join(secrets)})')
    parts = urlsplit(options.url)
    target = options.prefix or (parts.path + (f"?{parts.query}" if parts.query else ""))
    until = int(wall_clock()) + options.seconds
    host = (parts.hostname or "").lower()
    grant = TokenGrant(until, host, target, bool(options.prefix), options.address)
    return issued(grant, key_id, native_signer(secrets[key_id])).decode()


def _signer(options: SigningOptions, path: Path) -> Signer:
    from edgecache.rules.private.signer import Signer, load_private_key

    if not options.key_id:
        refuse(["--key: missing: the id the public key has in the configuration"])
    try:
        return Signer(options.key_id, load_private_key(path.read_bytes()), options.sha256)
    except OSError as error:
        refuse([f"{path}: {(error.strerror or str(error)).lower()}"])
    except ValueError as error:
        refuse([f"{path}: {error}"])


def _terms(options: SigningOptions) -> SigningTerms:
    from edgecache.rules.private.signer import SigningTerms
    from edgecache.runtime.environment import wall_clock

    now = int(wall_clock())
    parts = urlsplit(options.url)
    resource = options.resource
    if options.prefix:
        resource = f"{parts.scheme}://{parts.netloc}{options.prefix}*"
    return SigningTerms(
        resource or options.url,
        now + options.seconds,
        now + _seconds(options.after, "--after") if options.after else None,
        options.address,
        custom=bool(resource),
    )
