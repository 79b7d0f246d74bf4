"""What is asked: targets and blocks of header fields, and the one right answer to each.

A browser's block has 15 fields, cookies and an agent of its own; popularity of URLs follows Zipf's
law with an exponent of 0.9, as measured for web caches (Breslau et al., INFOCOM 1999).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SMALL, SMALL_BYTES = "/small", 2_048
HOT, HOT_BYTES = "/hot", 1_024
MEDIUM, MEDIUM_BYTES = "/medium", 100 * 1_024
LARGE, LARGE_BYTES = "/large", 1_048_576
MOVIE, MOVIE_BYTES, RANGE_BYTES = "/movie", 10 * 1_048_576, 65_536
PAGES, ZIPF_EXPONENT, ASKED = 5_000, 0.9, 65_536
BROWSERS = 1_000
PLAIN = "Host: 127.0.0.1"


@dataclass(frozen=True, slots=True)
class Mix:
    """Targets in the order they are asked for, and the blocks they are asked with.

    `numbered`: each target gets a number behind it that it never had. `bodies` by target; a
    numbered one has the body of the target alone. `spans`: the span of the body for each block.
    """

    targets: Sequence[str]
    bodies: dict[str, bytes]
    blocks: Sequence[str] = (PLAIN,)
    status: int = 200
    numbered: bool = False
    spans: Sequence[tuple[int, int]] = ()

    def write(self, folder: Path) -> Path:
        """As files for wrk's script: a target a line, a block a line with tabs for line ends."""
        folder.mkdir(exist_ok=True)
        (folder / "targets").write_text("\n".join(self.targets) + "\n")
        (folder / "blocks").write_text("\n".join(self.blocks) + "\n")
        return folder

    def expected(self, target: str, block: int) -> bytes:
        """The body of the right answer."""
        if self.status == 304:
            return b""
        body = self.bodies[target]
        if not self.spans:
            return body
        first, after = self.spans[block]
        return body[first:after]


def site() -> dict[str, bytes]:
    """Every file of the origin, by path. The same in each run."""
    source = random.Random(20261126)
    sizes = {SMALL: SMALL_BYTES, HOT: HOT_BYTES, MEDIUM: MEDIUM_BYTES, LARGE: LARGE_BYTES}
    sizes |= {MOVIE: MOVIE_BYTES}
    sizes |= {f"/pages/{number}": SMALL_BYTES for number in range(PAGES)}
    return {path: source.randbytes(size) for path, size in sizes.items()}


def one(files: dict[str, bytes], path: str, **more: object) -> Mix:
    """One path, one head."""
    return Mix((path,), {path: files[path]}, **more)  # type: ignore[arg-type]


def pages(files: dict[str, bytes]) -> Mix:
    """5,000 URLs by Zipf's law, 1,000 browsers."""
    source = random.Random(9)
    paths = [f"/pages/{number}" for number in range(PAGES)]
    weights = [1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(PAGES)]
    asked = source.choices(paths, weights, k=ASKED)
    blocks = [browser(number) for number in range(BROWSERS)]
    return Mix(asked, {path: files[path] for path in paths}, blocks)


def ranges(files: dict[str, bytes]) -> Mix:
    """Every 64 KiB of the movie, in no order."""
    spans = [(at, at + RANGE_BYTES) for at in range(0, MOVIE_BYTES, RANGE_BYTES)]
    blocks = [f"{PLAIN}\tRange: bytes={first}-{after - 1}" for first, after in spans]
    return Mix((MOVIE,), {MOVIE: files[MOVIE]}, blocks, status=206, spans=spans)


def numbered(files: dict[str, bytes], prefix: str) -> Mix:
    """URLs nobody has asked for before."""
    return Mix((prefix,), {prefix: files[SMALL]}, numbered=True)


def browser(number: int) -> str:
    """The fields of one browser, tabs between them."""
    source = random.Random(number)
    version = f"{source.randrange(90, 140)}.0.{source.randrange(9_999)}.{source.randrange(200)}"
    systems = (
        "Windows NT 10.0; Win64; x64",
        "X11; Linux x86_64",
        "Macintosh; Intel Mac OS X 10_15_7",
    )
    agent = f"Mozilla/5.0 ({source.choice(systems)}) AppleWebKit/537.36 (KHTML, like Gecko)"
    session = source.randbytes(16).hex()
    return "\t".join(
        (
            PLAIN,
            f"User-Agent: {agent} Chrome/{version} Safari/537.36",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            f"Accept-Language: {source.choice(('en-US,en', 'de-DE,de', 'fr', 'ja'))};q=0.9",
            "Accept-Encoding: gzip, deflate, br",
            "Connection: keep-alive",
            f"Referer: http://127.0.0.1/pages/{source.randrange(PAGES)}",
            "Upgrade-Insecure-Requests: 1",
            "Sec-Fetch-Dest: document",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-User: ?1",
            "DNT: 1",
            f"X-Requested-By: {source.randrange(10**6)}",
            f"Cookie: session={session}; theme=dark; seen={source.randrange(10**9)}",
        )
    )
