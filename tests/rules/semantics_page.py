"""docs/semantics.md as the table of switches gives it: `python -m tests.rules.semantics_page`."""

from __future__ import annotations

from pathlib import Path

from edgecache.rules.semantics import SEMANTICS, switches

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "semantics.md"
HEAD = """# The two semantics, switch by switch

Made from `edgecache/rules/semantics.py` by `python -m tests.rules.semantics_page`.

A distribution follows CloudFront (`semantics = "cloudfront"`, the default of a configuration file)
or RFC 9111 (`semantics = "rfc9111"`, the default of `edgecache serve`). These are all the
differences: each is one switch, and no code but that of the configuration asks for the name. A
source without an RFC is a page or section of the CloudFront Developer Guide, or one of these pages.

"""


def page() -> str:
    """The page's text."""
    names = list(SEMANTICS)
    rows = [f"| switch | {' | '.join(names)} | on means | source |", "|---" * 5 + "|"]
    for name, switch in switches().items():
        states = ["on" if getattr(SEMANTICS[one], name) else "off" for one in names]
        rows.append(f"| `{name}` | {' | '.join(states)} | {switch.meaning} | {switch.source} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
