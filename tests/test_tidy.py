"""The laws of the layout, enforced: imports, pure groups, names, sizes, maps."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from edgecache.runtime.caches import CACHES, UNCOUNTED
from tests.conftest import NEVER_LATE, OF_HTTP2, OF_SHARING
from tests.mutations.guards import GUARDS, Guard
from tests.source_file import SourceFile, cached_functions, is_data, made_caches

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "edgecache"
ORDER = [
    "testing",
    "cli",
    "supervisor",
    "node",
    "server",
    "control",
    "dns",
    "cache",
    "functions",
    "cluster",
    "store",
    "upstream",
    "health",
    "origin",
    "rules",
    "runtime",
    "config",
    "http",
    "observe",
]  # outside to inside; a module imports only from its own group and those after it
SIBLINGS = {
    "server": {"control", "dns"}, "control": {"server", "dns"}, "dns": {"server", "control"},
}  # fmt: skip # never import each other
PURE = (
    "http",
    "rules",
    "dns",
    "config/model.py",
    "config/dns.py",
    "config/health_checks.py",
    "config/base.py",
    "config/caches.py",
    "config/origins.py",
    "config/access_lists.py",
    "config/networks.py",
    "functions/event.py",
    "functions/lambda_event.py",
    "store/eviction.py",
    "store/memory_account.py",
    "store/eviction.py",
    "store/s3fifo_queues.py",
)
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 350
ONE_SUBJECT_LINES_MAX = 500  # where at most one class is more than data
# Without the packages' maps. What counts as one client is asked by viewers' listeners, origins and
# control; a TLS connection has a life before it is a viewer's; control's callers have bounds. A
# credential, the numbers used of it, and the command for secrets are three subjects. What is kept
# from one composition to the next has a law of its own. Operating (certificates, machines, access
# keys, state, health) met at the former 300; viewers' addresses, limits, rules, logs and a state
# in PostgreSQL at 310. Several controls, several regional caches, the reserve and HTTP/2 are each a
# handful of subjects; so are HTTP/3, HTTP/2 to origins, functions and key value stores. Readers of
# the live log, its filters, and what is counted for them in bounded memory are a dozen. Dev mode
# has a part in each group that its clock and its reset pass through.
MODULES_MAX = 623
SMALL_LINES = 60
SMALL_MODULES_MAX = 32  # fewer files is a goal: what is this small mostly belongs to a neighbor
NOT_A_SUBJECT = {
    "util", "utils", "helper", "helpers", "manager", "misc", "common", "stuff", "things", "tools",
}  # fmt: skip
PARTICIPLE = re.compile(r"(ing|ed|kept|told|made|held|given|found|done|sent|taken)$")
OF_THE_FIELD = {
    "coalescing", "framing", "routing", "sharing",  # what is done, as the field's noun
    "declared", "inherited", "managed", "tiered", "unsupported",  # kinds of a thing
    "ring", "feed", "seed", "setting",  # not participles
}  # fmt: skip
TESTS_OF_SEVERAL = {
    "config/aws/test_round_trip.py", "config/test_origin_settings.py",
    "control/cloudfront/test_any_input.py", "control/cloudfront/test_any_site.py",
    "control/cloudfront/test_codec.py", "control/cloudfront/test_refusals.py",
    "control/cloudfront/test_refused_resources.py", "control/cloudfront/test_several_controls.py",
    "control/cloudfront/test_unsupported.py",
    "control/cloudfront/test_walk.py", "control/cloudfront/test_weight.py",
    "control/test_former_state.py", "origin/test_site.py", "server/test_calls.py",
    "store/disk/test_filled.py", "upstream/test_network.py", "upstream/test_passages.py",
}  # fmt: skip
LINE_COLUMNS_MAX = 100
ERRORS = ("Error", "Exception", "BadMessage", "Truncated", "ObjectChanged")
CHARACTER_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
NO_GOING_BACK = re.compile(r"(?<!\\)[+*?}]\+|\(\?>")
IMPURE_MODULES = {"time", "random", "secrets", "socket", "asyncio", "logging", "os", "io", "uuid"}

SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
EVERY_FILE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]
EVERY_FILE += sorted((ROOT / "benchmarks").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
RENDERED = {
    "edgecache.server.http1.head_cache", "edgecache.server.http1.head_cache_functions",
    "edgecache.server.http1.rendered_hit",
}  # fmt: skip
KNOW_HTTP1 = {  # who chooses a version, and of what HTTP/2 makes its rendered hits and head caches
    "edgecache/server/connection_choice.py": {"edgecache.server.http1.connection"},
    "edgecache/server/http2/rendered_hit.py": RENDERED,
    "edgecache/server/http2/head_cache.py": RENDERED,
}
HTTP1_WRITERS = {
    "response_head", "chunk", "LAST_CHUNK", "CONTINUE", "STATUS_LINES", "field_lines",
}  # fmt: skip


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_pure(path: Path) -> bool:
    return any(path.is_relative_to(PACKAGE / part) for part in PURE)


def imports_only_from_groups_below(source: SourceFile) -> Iterator[str]:
    """cli/main.py and the package itself are outermost."""
    group = source.path.relative_to(PACKAGE).parts[0]
    allowed = set(ORDER[ORDER.index(group) :] if group in ORDER else ORDER)
    allowed -= SIBLINGS.get(group, set())
    if is_pure(source.path):
        allowed.discard("observe")
    for module in source.imported if group in ORDER else ():
        parts = module.split(".")
        if parts[0] == "edgecache" and len(parts) > 1 and parts[1] not in allowed:
            yield f"{group} may not import {module}"


def has_no_world_in_a_pure_group(source: SourceFile) -> Iterator[str]:
    if not is_pure(source.path):
        return
    for module in source.imported:
        if module.split(".")[0] in IMPURE_MODULES:
            yield f"imports {module}"
    if [*source.all(ast.AsyncFunctionDef), *source.all(ast.Await)]:
        yield "async in a pure group"
    for node in source.all(ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}:
            yield f"line {node.lineno}: {node.func.id}"


def has_small_functions(source: SourceFile) -> Iterator[str]:
    for node in source.functions:
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{node.name} has {lines} lines"


def opens_a_package_with_its_map(source: SourceFile) -> Iterator[str]:
    if source.path.name == "__init__.py":
        if not source.doc:
            yield "no map"
        if source.path.parent != PACKAGE and len(source.tree.body) != 1:
            yield "a package's __init__ holds its map and no code"


def says_in_its_first_line_what_it_is(source: SourceFile) -> Iterator[str]:
    first = source.doc.partition("\n")[0]
    if not re.search(r"[.?](\s|$)", first):
        yield f"no sentence ends on line 1: {first}"


def keeps_no_exception_to_raise_it_again(source: SourceFile) -> Iterator[str]:
    """An instance raised twice holds the frames of both times: requests, connections, bodies."""
    for function in cached_functions(source):
        given = "" if function.returns is None else ast.unparse(function.returns)
        errors = [word for word in re.findall(r"\w+", given) if word.endswith(ERRORS)]
        if errors:
            yield f"{function.name} remembers {errors}"
    for node in source.all(ast.Raise):
        if isinstance(node.exc, ast.Attribute):
            name = node.exc.attr
            if name[:1].islower() or name.startswith("_"):
                yield f"line {node.lineno}: raise {ast.unparse(node.exc)}"


def has_expressions_of_every_interpreter(source: SourceFile) -> Iterator[str]:
    """Possessive quantifiers and atomic groups err on CPython 3.11.0 to 3.11.4, so on Debian 12."""
    prose = {id(node.value) for node in source.all(ast.Expr)}
    for node in source.all(ast.Constant):
        if isinstance(node.value, str | bytes) and id(node) not in prose:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if NO_GOING_BACK.search(CHARACTER_CLASS.sub("C", text)):
                yield f"line {node.lineno}: {text}"


def leaves_http1_to_http1(source: SourceFile) -> Iterator[str]:
    """What is above the seam (`server/stream.py`) makes no heads, chunks or status lines."""
    path = source.path
    if not path.is_relative_to(PACKAGE / "server") or path.parent.name == "http1":
        return
    known = KNOW_HTTP1.get(name_of(path), set())
    for text in source.all(ast.Constant):
        if isinstance(text.value, bytes) and b"HTTP/1." in text.value:
            yield f"line {text.lineno}"
    for node in source.all(ast.ImportFrom):
        if node.module == "edgecache.http.head":
            if HTTP1_WRITERS & {alias.name for alias in node.names}:
                yield f"line {node.lineno}"
        elif node.module and ".http1" in node.module and node.module not in known:
            yield f"line {node.lineno}: {node.module}"


LAWS: tuple[Callable[[SourceFile], Iterator[str]], ...] = (
    imports_only_from_groups_below,
    has_no_world_in_a_pure_group,
    has_small_functions,
    opens_a_package_with_its_map,
    says_in_its_first_line_what_it_is,
    keeps_no_exception_to_raise_it_again,
    has_expressions_of_every_interpreter,
    leaves_http1_to_http1,
)


@dataclass
class Survey:
    """What one look at every source has found; each is read once, and none is kept."""

    broken: dict[str, list[str]] = field(default_factory=dict)  # by law
    public_types: dict[str, list[str]] = field(default_factory=dict)  # by name, the files
    caches: Counter[str] = field(default_factory=Counter)  # by module
    of_one_subject: set[Path] = field(default_factory=set)

    def look_at(self, source: SourceFile) -> None:
        name = name_of(source.path)
        for law in LAWS:
            broken = self.broken.setdefault(law.__name__, [])
            broken += [f"{name}: {said}" for said in law(source)]
        for node in source.classes:
            if not node.name.startswith("_"):
                self.public_types.setdefault(node.name, []).append(name)
        if sum(not is_data(one) for one in source.classes) <= 1:
            self.of_one_subject.add(source.path)
        module = ".".join(source.path.relative_to(PACKAGE).with_suffix("").parts)
        self.caches[module] += made_caches(source)


@cache
def survey() -> Survey:
    found = Survey()
    for path in SOURCES:
        found.look_at(SourceFile(path))
    return found


@pytest.mark.parametrize("law", [law.__name__ for law in LAWS])
def test_every_source(law: str) -> None:
    assert not survey().broken[law]


def test_files_are_small() -> None:
    broken = []
    for path in EVERY_FILE:
        lines = path.read_text().splitlines()
        one = path in survey().of_one_subject
        if len(lines) > (ONE_SUBJECT_LINES_MAX if one else FILE_LINES_MAX):
            broken.append(f"{name_of(path)}: {len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_COLUMNS_MAX:
                broken.append(f"{name_of(path)}:{number}: {len(line)} columns")
    assert not broken


def test_a_module_is_named_by_a_noun() -> None:
    broken = []
    for path in MODULES:
        words = path.stem.split("_")
        bare = len(words) == 1 and PARTICIPLE.search(path.stem) and path.stem not in OF_THE_FIELD
        if NOT_A_SUBJECT & set(words) or bare:
            broken.append(name_of(path))
    assert not broken, "neither these words nor a bare participle name a subject"


def test_no_two_public_types_share_a_name() -> None:
    twice = {name: files for name, files in survey().public_types.items() if len(files) > 1}
    assert not twice


def test_modules_are_few_and_few_are_tiny() -> None:
    small = [p for p in MODULES if len(p.read_text().splitlines()) <= SMALL_LINES]
    for_tests = [p for p in MODULES if p.is_relative_to(PACKAGE / "testing")]  # of users
    assert len(for_tests) <= 18
    assert len(MODULES) - len(for_tests) <= MODULES_MAX
    assert len(small) <= SMALL_MODULES_MAX, [name_of(path) for path in small]


def test_a_test_stands_where_its_module_does() -> None:
    """tests/a/test_b.py and tests/a/test_b_in_part.py are of edgecache/a/b.py."""
    broken = []
    for path in TESTS:
        place = path.relative_to(ROOT / "tests")
        if place.parts[0] in ORDER and str(place) not in TESTS_OF_SEVERAL:
            words = path.stem.split("_")[1:]
            stems = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
            if not any((PACKAGE / place.parent / f"{stem}.py").exists() for stem in stems):
                broken.append(f"{place}: no module in {stems}")
    assert not broken


def test_every_cache_of_a_process_is_in_the_table() -> None:
    """runtime/caches.py, module by module: as many rows as the source makes caches."""
    made = survey().caches.copy()
    del made["http.function_cache"]
    listed = Counter(row.name.rpartition(".")[0] for row in (*CACHES, *UNCOUNTED))
    assert +made == listed


@cache
def functions_of(path: Path) -> frozenset[str]:
    return frozenset(node.name for node in SourceFile(path).all(ast.FunctionDef))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
def test_every_guard_is_where_its_mutation_looks_for_it(guard: Guard) -> None:
    """tests/mutations takes each away in turn: who moves such a line moves its row, too."""
    assert (PACKAGE / guard.file).read_text().count(guard.code) == 1, guard.file
    names = functions_of(ROOT / guard.plays)
    assert any(guard.play in name for name in names), guard.plays


def test_plays_with_wires_of_their_own_exist() -> None:
    named = {f"{name}.py" for name in OF_SHARING | NEVER_LATE | OF_HTTP2}
    assert named <= {path.name for path in TESTS}, "a play renamed is played on fewer stages"


def test_no_test_sleeps() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if "sleep" in path.read_text():  # or no name has it, and there is no need to parse it
            for node in SourceFile(path).all(ast.Call):
                assert not ast.unparse(node.func).endswith("sleep"), f"{path.name}:{node.lineno}"
