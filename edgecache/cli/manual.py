"""Manual of the command line: what each command takes, as Markdown and as man pages.

Law: it is made of the commands themselves; what `--help` says and no more. The forms are those of
man-pages(7) and groff_man(7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edgecache import __version__
from edgecache.cli.help import SUBJECTS
from edgecache.cli.options import refuse

NOT_ASCII = re.compile(r"[^\x00-\x7f]")
EXAMPLE = re.compile(r"^(?:Examples?|Try):\s*")


class Parameter(NamedTuple):
    """An argument or an option: how it is spelled, what it means, and what else is known of it."""

    spelling: str
    help: str
    is_option: bool


class Page(NamedTuple):
    """A command, or a group of them: its words, sentences, parameters and examples."""

    words: tuple[str, ...]
    text: str
    usage: str
    parameters: tuple[Parameter, ...]
    examples: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """`edgecache keys generate`."""
        return " ".join(self.words)


def pages(app: typer.Typer) -> list[Page]:
    """Every command that is not hidden, in the order of the help, groups before what is in them."""
    root = typer.main.get_command(app)
    return [*_pages(root, root.make_context("edgecache", [], resilient_parsing=True))]


def _pages(command: Any, context: Any) -> Iterator[Page]:
    inner = [*_commands(command, context)]
    yield _page(command, context, tuple(name for name, _ in inner))
    for name, one in inner:
        yield from _pages(one, context.__class__(one, info_name=name, parent=context))


def _commands(command: Any, context: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        return
    names = command.list_commands(context)
    order = [name for names_ in SUBJECTS.values() for name in names_]
    if context.parent is None:
        names = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    for name in names:
        one = command.get_command(context, name)
        if one is not None and not one.hidden:
            yield name, one


def _page(command: Any, context: Any, commands: tuple[str, ...]) -> Page:
    given = [one for one in command.get_params(context) if not getattr(one, "hidden", False)]
    return Page(
        words=tuple(context.command_path.split()),
        text=_sentence(command.help or ""),
        usage=" ".join(command.collect_usage_pieces(context)),
        parameters=tuple(_parameter(one, context) for one in given if "--help" not in one.opts),
        examples=_examples(command.epilog or ""),
        commands=commands,
    )


def _examples(epilog: str) -> tuple[str, ...]:
    """The commands of `Examples: edgecache up; edgecache up -c FILE`."""
    text = EXAMPLE.sub("", " ".join(epilog.split()))
    return tuple(re.split(r"; (?=edgecache )", text)) if text else ()


def _parameter(one: Any, context: Any) -> Parameter:
    is_option = one.param_type_name == "option"
    spelling, said = one.get_help_record(context) or (one.make_metavar(context), "")
    return Parameter(" ".join(spelling.split()), _sentence(said), is_option)


def _sentence(text: str) -> str:
    return " ".join(text.split())


def markdown(app: typer.Typer) -> str:
    """All of it as one page, without a heading."""
    return "\n".join(_markdown_of(page) for page in pages(app))


def _markdown_of(page: Page) -> str:
    lines = [f"## `{page.name}`", "", page.text, "", "```text", f"{page.name} {page.usage}", "```"]
    for title, is_option in (("argument", False), ("option", True)):
        rows = [one for one in page.parameters if one.is_option is is_option]
        if rows:
            lines += ["", f"| {title} | |", "|---|---|"]
            lines += [f"| `{_cell(one.spelling)}` | {_cell(one.help)} |" for one in rows]
    if page.commands:
        links = (f"[`{name}`](#{'-'.join((*page.words, name))})" for name in page.commands)
        lines += ["", "Commands: " + ", ".join(links)]
    if page.examples:
        lines += ["", "```text", *page.examples, "```"]
    return "\n".join((*lines, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def man_pages(app: typer.Typer) -> dict[str, str]:
    """Man pages by their file names: `edgecache.1`, `edgecache-keys-generate.1`."""
    every = pages(app)
    return {f"{'-'.join(page.words)}.1": _roff_of(page, every) for page in every}


def _roff_of(page: Page, every: Sequence[Page]) -> str:
    name = "-".join(page.words)
    first, _, rest = page.text.partition(". ")
    lines = [
        f'.TH "{name.upper()}" 1 "" "edgecache {__version__}" "edgecache"',
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(first.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_roff(page.name)}",
        _roff(page.usage),
    ]
    if rest:
        lines += [".SH DESCRIPTION", _roff(rest)]
    for title, is_option in (("ARGUMENTS", False), ("OPTIONS", True)):
        rows = [one for one in page.parameters if one.is_option is is_option]
        if rows:
            lines.append(f".SH {title}")
            for one in rows:
                lines += [".TP", f".B {_roff(one.spelling)}", _roff(one.help) or "\\&"]
    if page.commands:
        texts = {one.words: one.text for one in every}
        lines.append(".SH COMMANDS")
        for inner in page.commands:
            words = (*page.words, inner)
            lines += [".TP", f".BR {_roff('-'.join(words))} (1)", _roff(texts[words])]
    if page.examples:
        lines += [".SH EXAMPLES", ".nf", *map(_roff, page.examples), ".fi"]
    if len(page.words) > 1:
        lines += [".SH SEE ALSO", f".BR {_roff('-'.join(page.words[:-1]))} (1)"]
    return "\n".join((*lines, ""))


def _roff(text: str) -> str:
    """Text as groff has it: no line is a request, and a hyphen is one (groff_char(7))."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = NOT_ASCII.sub(lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def write_man_pages(
    folder: Annotated[Path, typer.Argument(help="Where they are written, as FOLDER/man1.")],
) -> None:
    """Write the man pages of all commands: `man -M FOLDER edgecache-up`."""
    from edgecache.cli.main import app

    try:
        (folder / "man1").mkdir(parents=True, exist_ok=True)
        for name, text in man_pages(app).items():
            (folder / "man1" / name).write_text(text, "utf-8")
    except OSError as error:
        refuse([f"{folder}: {(error.strerror or str(error)).lower()}"])
