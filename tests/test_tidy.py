"""The laws of the layout, enforced: imports, pure groups, names, sizes, maps."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from edgecache.runtime.caches import CACHES, UNCOUNTED
from tests.conftest import NEVER_LATE, OF_HTTP2, OF_SHARING
from tests.mutations.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "edgecache"
ORDER = [
    "cli",
    "supervisor",
    "node",
    "server",
    "control",
    "cache",
    "functions",
    "cluster",
    "store",
    "upstream",
    "origin",
    "rules",
    "runtime",
    "config",
    "http",
    "observe",
]  # outside to inside; a module imports only from its own group and those after it
SIBLINGS = {"server": "control", "control": "server"}  # never import each other
PURE = (
    "http",
    "rules",
    "config/model.py",
    "config/base.py",
    "config/caches.py",
    "config/origins.py",
    "config/access_lists.py",
    "config/networks.py",
    "functions/event.py",
    "store/eviction.py",
    "store/memory_account.py",
    "store/eviction.py",
    "store/s3fifo_queues.py",
)
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 350
ONE_SUBJECT_LINES_MAX = 500  # where at most one class is more than data
DATA = ("Struct", "Enum", "StrEnum", "IntEnum", "NamedTuple", "Protocol", "Exception", "Model")
# Without the packages' maps. What counts as one client is asked by viewers' listeners, origins and
# control; a TLS connection has a life before it is a viewer's; control's callers have bounds. A
# credential, the numbers used of it, and the command for secrets are three subjects. What is kept
# from one composition to the next has a law of its own. Operating (certificates, machines, access
# keys, state, health) met at the former 300; viewers' addresses, limits, rules, logs and a state
# in PostgreSQL at 310. Several controls, several regional caches, the reserve and HTTP/2 are each a
# handful of subjects; so are HTTP/3, HTTP/2 to origins, functions and key value stores. Readers of
# the live log, its filters, and what is counted for them in bounded memory are a dozen.
MODULES_MAX = 451
SMALL_LINES = 60
SMALL_MODULES_MAX = 25  # fewer files is a goal: what is this small mostly belongs to a neighbor
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
CACHE_MAKERS = {"cache", "lru_cache", "cached"}
ERRORS = ("Error", "Exception", "BadMessage", "Truncated", "ObjectChanged")
CHARACTER_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
NO_GOING_BACK = re.compile(r"(?<!\\)[+*?}]\+|\(\?>")
IMPURE_MODULES = {"time", "random", "secrets", "socket", "asyncio", "logging", "os", "io", "uuid"}

SOURCES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}
MODULES = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
EVERY_FILE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]
EVERY_FILE += sorted((ROOT / "benchmarks").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def is_pure(path: Path) -> bool:
    return any(path.is_relative_to(PACKAGE / part) for part in PURE)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_imports_only_from_groups_below_its_own(path: Path) -> None:
    group = path.relative_to(PACKAGE).parts[0]
    if group not in ORDER:
        return  # cli/main.py and the package itself are outermost
    allowed = set(ORDER[ORDER.index(group) :])
    if is_pure(path):
        allowed.discard("observe")
    for module in imported_modules(TREES[path]):
        parts = module.split(".")
        if parts[0] == "edgecache" and len(parts) > 1:
            assert parts[1] in allowed, f"{group} may not import {module}"


@pytest.mark.parametrize("path", [p for p in SOURCES if is_pure(p)], ids=name_of)
def test_pure_groups_have_no_world(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported_modules(TREES[path])}
    assert not roots & IMPURE_MODULES
    for node in ast.walk(TREES[path]):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), "async in a pure group"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_small(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


def is_data(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base).split(".")[-1].split("[")[0] for base in node.bases]
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    data = any(base in DATA or base.endswith("Error") for base in bases)
    return data or any("dataclass" in mark for mark in marks)


def has_one_subject(path: Path) -> bool:
    tree = TREES.get(path)
    classes = [] if tree is None else [n for n in tree.body if isinstance(n, ast.ClassDef)]
    return tree is not None and sum(not is_data(one) for one in classes) <= 1


@pytest.mark.parametrize("path", EVERY_FILE, ids=name_of)
def test_files_are_small(path: Path) -> None:
    lines = path.read_text().splitlines()
    most = ONE_SUBJECT_LINES_MAX if has_one_subject(path) else FILE_LINES_MAX
    assert len(lines) <= most, f"{len(lines)} lines"
    for number, line in enumerate(lines, 1):
        assert len(line) <= LINE_COLUMNS_MAX, f"line {number} has {len(line)} columns"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=name_of)
def test_every_package_opens_with_its_map(path: Path) -> None:
    docstring = ast.get_docstring(TREES[path])
    assert docstring
    if path.parent != PACKAGE:
        assert len(TREES[path].body) == 1, "a package's __init__ holds its map and no code"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_named_by_a_noun(path: Path) -> None:
    words = path.stem.split("_")
    assert not NOT_A_SUBJECT & set(words)
    bare = len(words) == 1 and PARTICIPLE.search(path.stem)
    assert not bare or path.stem in OF_THE_FIELD, "a bare participle names no subject"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_first_line_says_what_a_module_is(path: Path) -> None:
    first = (ast.get_docstring(TREES[path]) or "").partition("\n")[0]
    assert re.search(r"[.?](\s|$)", first), f"no sentence ends on line 1: {first}"


def test_no_two_public_types_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name_of(path))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert not twice


def test_modules_are_few_and_few_are_tiny() -> None:
    small = [p for p in MODULES if len(p.read_text().splitlines()) <= SMALL_LINES]
    assert len(MODULES) <= MODULES_MAX
    assert len(small) <= SMALL_MODULES_MAX, [name_of(path) for path in small]


TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MIRRORS = [p for p in TESTS if p.relative_to(ROOT / "tests").parts[0] in ORDER]


@pytest.mark.parametrize("path", MIRRORS, ids=name_of)
def test_a_test_stands_where_its_module_does(path: Path) -> None:
    """tests/a/test_b.py and tests/a/test_b_in_part.py are of edgecache/a/b.py."""
    place = path.relative_to(ROOT / "tests")
    words = path.stem.split("_")[1:]
    stems = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    modules = [(PACKAGE / place.parent / f"{stem}.py").exists() for stem in stems]
    assert any(modules) or str(place) in TESTS_OF_SEVERAL, f"no module in {stems}"


def cached_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of a module whose results `functools` remembers, however it is put on."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = []
    for function in functions.values():
        marks = [ast.unparse(mark) for mark in function.decorator_list]
        if any(
            "lru_cache" in mark or mark.split("(")[0].endswith(("cache", "cached"))
            for mark in marks
        ):
            found.append(function)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "cache" in ast.unparse(node.func):
            names = [ast.unparse(argument) for argument in node.args]
            found += [functions[name] for name in names if name in functions]
    return found


def test_every_cache_of_a_process_is_in_the_table() -> None:
    """runtime/caches.py, module by module: as many rows as the source makes caches."""
    made: Counter[str] = Counter()
    for path in SOURCES:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(TREES[path]):
            marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
            bare = [mark for mark in marks if isinstance(mark, ast.Name)]
            called = [node.func] if isinstance(node, ast.Call) else []
            names = {ast.unparse(one) for one in (*bare, *called)}
            made[module] += bool(names & CACHE_MAKERS)
    del made["http.function_cache"]
    listed = Counter(row.name.rpartition(".")[0] for row in (*CACHES, *UNCOUNTED))
    assert +made == listed


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_exception_is_kept_to_be_raised_again(path: Path) -> None:
    """An instance raised twice holds the frames of both times: requests, connections, bodies."""
    for function in cached_functions(TREES[path]):
        given = "" if function.returns is None else ast.unparse(function.returns)
        errors = [word for word in re.findall(r"\w+", given) if word.endswith(ERRORS)]
        assert not errors, f"{function.name} remembers {errors}"
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Attribute):
            kept = node.exc.attr[:1].islower() or node.exc.attr.startswith("_")
            assert not kept, f"line {node.lineno}: raise {ast.unparse(node.exc)}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_expressions_mean_the_same_on_every_interpreter(path: Path) -> None:
    """Possessive quantifiers and atomic groups err on CPython 3.11.0 to 3.11.4, so on Debian 12."""
    tree = TREES[path]
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            found = NO_GOING_BACK.search(CHARACTER_CLASS.sub("C", text))
            assert id(node) in prose or not found, f"line {node.lineno}: {text}"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
def test_every_guard_is_where_its_mutation_looks_for_it(guard: Guard) -> None:
    """tests/mutations takes each away in turn: who moves such a line moves its row, too."""
    assert (PACKAGE / guard.file).read_text().count(guard.code) == 1, guard.file
    tree = ast.parse((ROOT / guard.plays).read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert any(guard.play in name for name in names), guard.plays


RENDERED = {"edgecache.server.http1.head_cache", "edgecache.server.http1.rendered_hit"}
KNOW_HTTP1 = {  # who chooses a version, and of what HTTP/2 makes its rendered hits and head cache
    "edgecache/server/connection_choice.py": {"edgecache.server.http1.connection"},
    "edgecache/server/http2/rendered_hit.py": RENDERED,
    "edgecache/server/http2/head_cache.py": RENDERED,
}


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.is_relative_to(PACKAGE / "server") and p.parent.name != "http1"],
    ids=name_of,
)
def test_only_http1_knows_how_http1_is_written(path: Path) -> None:
    """What is above the seam (`server/stream.py`) makes no heads, chunks or status lines."""
    writers = {"response_head", "chunk", "LAST_CHUNK", "CONTINUE", "STATUS_LINES", "field_lines"}
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            assert b"HTTP/1." not in node.value, f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom) and node.module == "edgecache.http.head":
            assert not writers & {alias.name for alias in node.names}, f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom) and node.module and ".http1" in node.module:
            known = KNOW_HTTP1.get(name_of(path), ())
            assert node.module in known, f"line {node.lineno}: {node.module}"


def test_plays_with_wires_of_their_own_exist() -> None:
    named = {f"{name}.py" for name in OF_SHARING | NEVER_LATE | OF_HTTP2}
    assert named <= {path.name for path in TESTS}, "a play renamed is played on fewer stages"


def test_no_test_sleeps() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert not ast.unparse(node.func).endswith("sleep"), f"{path.name}:{node.lineno}"
