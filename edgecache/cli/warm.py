"""Command warm: what a list or a sitemap names is asked for before viewers ask.

Law: origins are asked no faster than is said; what stayed a miss is told.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from edgecache.cli.options import AsJson, ConfigPath, fail, print_json, refuse

if TYPE_CHECKING:
    import httpx

    from edgecache.control.warmup.warmer import WarmPlace, WarmReport, WarmSettings

app = typer.Typer()
SITEMAPS_MAX = 500  # of one index that are read
TOTAL_MAX = 1_000_000  # URLs of one command
LIST_BYTES_MAX = 256 * 1024 * 1024
ANSWER_S_MAX = 60.0
SHOWN_MAX = 20

Urls = Annotated[list[str] | None, typer.Argument(help="URLs, as viewers ask for them.")]
ListFile = Annotated[
    Path | None, typer.Option("--list", help="A file with a URL on each line; - is stdin.")
]
SitemapUrl = Annotated[
    list[str] | None,
    typer.Option("--sitemap", help="URL of a sitemap or an index; several times."),
]
Places = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="HOST:PORT", help="A location to ask; else the URL's host."),
]
Locations = Annotated[
    list[str] | None,
    typer.Option(
        "--location", metavar="NAME", help="A location of --config to ask; `all`: each of them."
    ),
]
Rate = Annotated[float, typer.Option(min=0.01, max=10_000, help="Requests a second, at most.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Requests at a time, at most.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", "-H", help="'Name: value', several times.")
]
CaFile = Annotated[Path | None, typer.Option(help="Authorities (PEM) to trust instead.")]
LooksAgain = Annotated[
    bool, typer.Option("--look-again/--once", help="Ask by HEAD whether a miss has stayed one.")
]


@app.command(
    epilog="Examples: edgecache warm --list urls.txt --at 127.0.0.1:8080;"
    " edgecache warm --sitemap https://www.example.org/sitemap.xml --rate 5"
)
def warm(
    urls: Urls = None,
    list_file: ListFile = None,
    sitemap: SitemapUrl = None,
    at: Places = None,
    location: Locations = None,
    config: ConfigPath = Path("edgecache.toml"),
    rate: Rate = 10.0,
    concurrency: Concurrency = 4,
    header: Headers = None,
    ca_file: CaFile = None,
    look_again: LooksAgain = True,
    as_json: AsJson = False,
) -> None:
    """Ask for what a list or a sitemap names, so that caches have it before viewers ask.

    Every request counts for the rate, and at twenty failures in succession it stops. Exit code 1
    when something failed. What stayed a miss is told with the reason.
    """
    from edgecache.control.warmup.warmer import WarmPlace, WarmSettings

    if not (urls or list_file or sitemap):
        refuse(["give URLs, --list or --sitemap"])
    places = (*(WarmPlace(one, one) for one in at or ()), *_located(location or [], config))
    settings = WarmSettings(places, rate, concurrency, _headers(header), look_again)
    if ca_file is not None and not ca_file.is_file():
        refuse([f"{ca_file}: no such file"])
    given = [*(urls or ()), *(_listed(list_file) if list_file else ())]
    try:
        report, skipped = asyncio.run(_run(given, sitemap or [], settings, ca_file))
    except ValueError as error:
        fail(str(error))
    _tell(report, skipped, as_json=as_json)
    if report.failed:
        raise typer.Exit(1)


async def _run(
    given: list[str], sitemaps: list[str], settings: WarmSettings, ca_file: Path | None
) -> tuple[WarmReport, list[str]]:
    import ssl

    import httpx

    from edgecache.control.warmup.warmer import Warmer

    verify = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    limits = httpx.Limits(max_connections=settings.at_a_time_max)
    async with httpx.AsyncClient(
        verify=verify, limits=limits, timeout=ANSWER_S_MAX, trust_env=False
    ) as client:
        wanted, skipped = _checked(given), list[str]()
        for url in sitemaps:
            found, others = await _of_sitemap(client, url)
            wanted += found
            skipped += others
        wanted = [*dict.fromkeys(wanted)]
        if len(wanted) > TOTAL_MAX:
            raise ValueError(f"{len(wanted)} URLs are more than {TOTAL_MAX}")
        warmer = Warmer(client, settings, time.monotonic)
        watching = asyncio.create_task(_watch(warmer.report, len(wanted)))
        try:
            return await warmer.warm(wanted), skipped
        finally:
            watching.cancel()


async def _watch(report: WarmReport, count: int) -> None:
    """On a terminal, how far it is."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("warming") as status:
        while console.is_terminal:
            status.update(f"{report.done} of {count}, {report.requests} requests")
            await asyncio.sleep(0.2)


async def _of_sitemap(client: httpx.AsyncClient, url: str) -> tuple[list[str], list[str]]:
    """The URLs of a sitemap, or of all that an index names; and those of other hosts."""
    from edgecache.control.warmup.sitemap import read_sitemap

    host, found, others = urlsplit(url).netloc, list[str](), list[str]()
    first = read_sitemap(await _fetched(client, url))
    pages = [first]
    if first.is_index:
        own, others = _of_host(first.urls, host)
        if len(own) > SITEMAPS_MAX:
            raise ValueError(f"{url}: {len(own)} sitemaps are more than {SITEMAPS_MAX}")
        pages = []
        for one in own:
            page = read_sitemap(await _fetched(client, one))
            if page.is_index:
                raise ValueError(f"{one}: an index in an index")
            pages.append(page)
    for page in pages:
        own, more = _of_host(page.urls, host)
        found += own
        others += more
    return found, others


def _of_host(urls: list[str], host: str) -> tuple[list[str], list[str]]:
    """Those of a host, and the others: a sitemap speaks for its own alone."""
    own = [one for one in urls if urlsplit(one).netloc == host]
    return own, [one for one in urls if urlsplit(one).netloc != host]


async def _fetched(client: httpx.AsyncClient, url: str) -> bytes:
    """The bytes of a sitemap. ValueError."""
    import httpx

    from edgecache.control.warmup.sitemap import SITEMAP_BYTES_MAX

    _checked([url])
    data = bytearray()
    try:
        async with client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise ValueError(f"{url}: status {answer.status_code}")
            async for piece in answer.aiter_bytes(65_536):
                data += piece
                if len(data) > SITEMAP_BYTES_MAX:
                    raise ValueError(f"{url}: more than {SITEMAP_BYTES_MAX} bytes")
    except httpx.HTTPError as error:
        raise ValueError(f"{url}: {error or type(error).__name__}") from None
    return bytes(data)


def _checked(urls: list[str]) -> list[str]:
    from edgecache.control.warmup.sitemap import checked_url

    return [checked_url(url) for url in urls]


def _listed(path: Path) -> Iterator[str]:
    try:
        text = sys.stdin.read(LIST_BYTES_MAX) if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        refuse([f"{path}: {error}"])
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def _located(names: list[str], path: Path) -> list[WarmPlace]:
    """Where the locations of a file listen, as its own machine reaches them."""
    if not names:
        return []
    from edgecache.config.listen import tcp_address
    from edgecache.config.load import load
    from edgecache.config.problems import ConfigError
    from edgecache.control.warmup.warmer import WarmPlace

    try:
        locations = {one.name: one for one in load(path).locations}
    except ConfigError as error:
        refuse([str(error)])
    unknown = [name for name in names if name not in locations and name != "all"]
    if unknown:
        known = ", ".join(locations) or "none"
        refuse([f"--location: {name} is not a location of {path} ({known})" for name in unknown])
    chosen = [one for name, one in locations.items() if name in names or "all" in names]
    return [
        WarmPlace(
            *(str(tcp_address(at).reached) if at else "" for at in (one.listen, one.listen_tls))
        )
        for one in chosen
    ]


def _headers(given: list[str] | None) -> dict[str, str]:
    headers = {}
    for text in given or ():
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            refuse([f"--header: {text} is not Name: value"])
        headers[name.strip().lower()] = value.strip()
    return headers


def _tell(report: WarmReport, skipped: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({
            "requests": report.requests, "bytes": report.octets, **report.counts,
            "stayed_urls": report.stayed, "failed_urls": report.failed,
            "other_hosts": skipped, "stopped": report.is_stopped,
        })  # fmt: skip
        return
    for word, lines in (("stayed", report.stayed), ("failed", report.failed)):
        for line in lines[:SHOWN_MAX]:
            typer.echo(f"{word}: {line}")
        if len(lines) > SHOWN_MAX:
            typer.echo(f"{word}: and {len(lines) - SHOWN_MAX} more")
    if skipped:
        typer.echo(f"left out: {len(skipped)} URLs of other hosts, as {skipped[0]}")
    if report.is_stopped:
        typer.echo("stopped: too many failures in succession")
    words = ", ".join(f"{count} {word}" for word, count in report.counts.items())
    typer.echo(f"{words}; {report.requests} requests, {report.octets} bytes")
