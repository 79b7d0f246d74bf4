"""Commands of private content: keys, signed URLs and cookies, and why one does not open."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit

import typer

from edgecache.cli import keys
from edgecache.cli.options import DEFAULT_CONFIG, ConfigPath, fail, load_config, refuse

if TYPE_CHECKING:
    from edgecache.rules.private.signer import Signer, SigningTerms

FOR_S_MAX = 10 * 366 * 86_400  # what is signed for longer is meant to be public
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

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
    """What a signature is asked for, read and judged."""

    url: str
    seconds: int
    prefix: str
    address: str
    key_id: str


@app.command(
    "sign-url",
    epilog="Examples: edgecache sign-url https://HOST/a.mp4 --for 1h;"
    " edgecache sign-url https://HOST/a.mp4 --for 1h --key K2JCJMDEHXQW5F --private-key key.pem",
)
def sign_url(
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
) -> None:
    """A URL that opens private content: with a token of our own, or as CloudFront's."""
    wish = _wish(url, duration, prefix, address, key_id)
    if private_key is None:
        _only_with_private_key(resource, after, sha256)
        from edgecache.rules.private.native_token import PARAMETER
        from edgecache.rules.private.signer import with_parameters

        pairs = [(PARAMETER.decode(), _token(wish, config))]
        typer.echo(with_parameters(wish.url, pairs))
        return
    signer = _signer(private_key, key_id, sha256=sha256)
    typer.echo(signer.url(wish.url, _terms(wish, resource, after)))


@app.command(
    "sign-cookies",
    epilog="Example: edgecache sign-cookies https://HOST/ --prefix /videos/ --for 1d",
)
def sign_cookies(
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
) -> None:
    """The cookies that open private content, one NAME=VALUE a line."""
    wish = _wish(url, duration, prefix, address, key_id)
    if private_key is None:
        _only_with_private_key(resource, after, sha256)
        from edgecache.rules.private.native_token import COOKIE

        typer.echo(f"{COOKIE.decode()}={_token(wish, config)}")
        return
    signer = _signer(private_key, key_id, sha256=sha256)
    for name, value in signer.cookies(_terms(wish, resource, after)):
        typer.echo(f"{name}={value}")


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
) -> None:
    """Tell whether a signed URL or cookies open, and if not which part failed and why."""
    from edgecache.cli.explain_signature import explain_access, request_for
    from edgecache.config.secrets import SecretsError
    from edgecache.runtime.environment import wall_clock

    _judged(url)
    try:
        secrets = _secrets(config)
        request = request_for(url, cookie or [], address)
        opens, lines = explain_access(load_config(config), secrets, request, wall_clock())
    except SecretsError as error:
        refuse([str(error)])
    for line in lines:
        typer.echo(line)
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
) -> None:
    """Make a key pair, or a secret for our own tokens, and tell what to configure."""
    if kind not in ("rsa", "ecdsa", "native"):
        refuse([f'--type: "{kind}" is not rsa, ecdsa or native'])
    if kind == "native":
        _add_secret(name, config)
        return
    from edgecache.cli.keys import generate_private_key, write_key_pair

    try:
        for line in write_key_pair(name, generate_private_key(kind)):
            typer.echo(line)
    except OSError as error:
        refuse([f"{error.filename}: {(error.strerror or str(error)).lower()}"])


def _add_secret(key_id: str, config: Path) -> None:
    import os

    from edgecache.config.secrets import SecretsError, add_viewer_secret

    try:
        path = add_viewer_secret(load_config(config).state_dir, os.environ, key_id)
    except SecretsError as error:
        refuse([str(error)])
    typer.echo(f"# {path} has it. For each behavior it opens, beside the ids there are:")
    typer.echo(f'trusted_native_keys = ["{key_id}"]')


def _wish(url: str, duration: str, prefix: str, address: str, key_id: str) -> SigningOptions:
    if prefix and not prefix.startswith("/"):
        refuse([f'--prefix: "{prefix}" does not start with /'])
    if address:
        try:
            ip_network(address, strict=False)
        except ValueError:
            refuse([f'--address: "{address}" is not an address or network'])
    # What is not ASCII goes over the wire percent-encoded, and that is what is signed.
    spelled = quote(_judged(url).partition("#")[0].rstrip("?&"), safe=string.punctuation)
    return SigningOptions(spelled, _seconds(duration, "--for"), prefix, address, key_id)


def _judged(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path:
        refuse([f'URL: "{url}" is not http://HOST/PATH or https://HOST/PATH'])
    return url


def _seconds(text: str, option: str) -> int:
    form = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(form[1]) * _UNITS[form[2]] if form else 0
    if not 0 < seconds <= FOR_S_MAX:
        refuse([f'{option}: "{text}" is not a time like 90s, 15m, 1h, 7d'])
    return seconds


def _only_with_private_key(*given: object) -> None:
    if any(given):
        refuse(["--resource, --after and --sha256 are CloudFront's: they need --private-key"])


def _secrets(config: Path) -> dict[str, str]:
    import os

    from edgecache.config.secrets import load_secrets, secrets_path

    state_dir = load_config(config).state_dir
    if not secrets_path(state_dir, os.environ).exists():
        return {}
    return dict(load_secrets(state_dir, os.environ).viewer)


def _token(wish: SigningOptions, config: Path) -> str:
    from edgecache.config.secrets import SecretsError
    from edgecache.rules.private.native_token import TokenGrant, issued, native_signer
    from edgecache.runtime.environment import wall_clock

    try:
        secrets = _secrets(config)
    except SecretsError as error:
        refuse([str(error)])
    key_id = wish.key_id or next(reversed(secrets), "")
    if key_id not in secrets:
        if not secrets:
            fail("no secret for viewers yet; run: edgecache keys generate k1 --type native")
        fail(f'there is no secret "{key_id}" for viewers (known: {", ".join(secrets)})')
    parts = urlsplit(wish.url)
    target = wish.prefix or (parts.path + (f"?{parts.query}" if parts.query else ""))
    until = int(wall_clock()) + wish.seconds
    host = (parts.hostname or "").lower()
    grant = TokenGrant(until, host, target, bool(wish.prefix), wish.address)
    return issued(grant, key_id, native_signer(secrets[key_id])).decode()


def _signer(path: Path, key_id: str, *, sha256: bool) -> Signer:
    from edgecache.rules.private.signer import Signer, load_private_key

    if not key_id:
        refuse(["--key: missing: the id the public key has in the configuration"])
    try:
        return Signer(key_id, load_private_key(path.read_bytes()), sha256)
    except OSError as error:
        refuse([f"{path}: {(error.strerror or str(error)).lower()}"])
    except ValueError as error:
        refuse([f"{path}: {error}"])


def _terms(wish: SigningOptions, resource: str, after: str) -> SigningTerms:
    from edgecache.rules.private.signer import SigningTerms
    from edgecache.runtime.environment import wall_clock

    now = int(wall_clock())
    parts = urlsplit(wish.url)
    if wish.prefix:
        resource = f"{parts.scheme}://{parts.netloc}{wish.prefix}*"
    return SigningTerms(
        resource or wish.url,
        now + wish.seconds,
        now + _seconds(after, "--after") if after else None,
        wish.address,
        custom=bool(resource),
    )
