"""Each law of the layout can be broken: a source that does is found."""

from __future__ import annotations

import pytest

from tests.source_file import SourceFile
from tests.test_tidy import PACKAGE, Survey


@pytest.mark.parametrize(
    ("file", "text", "law"),
    [
        ("http/head.py", "import edgecache.server", "imports_only_from_groups_below"),
        ("server/a.py", "from edgecache.control import b", "imports_only_from_groups_below"),
        ("rules/a.py", "import edgecache.observe.a", "imports_only_from_groups_below"),
        ("http/head.py", "import time", "has_no_world_in_a_pure_group"),
        ("http/head.py", "from os.path import join", "has_no_world_in_a_pure_group"),
        ("http/head.py", "async def f(): ...", "has_no_world_in_a_pure_group"),
        ("http/head.py", "def f():\n  open(1)", "has_no_world_in_a_pure_group"),
        ("a.py", "def f():\n" + "  1\n" * 50, "has_small_functions"),
        ("a.py", "class A:\n async def f():\n" + "  1\n" * 50, "has_small_functions"),
        ("http/__init__.py", "", "opens_a_package_with_its_map"),
        ("http/__init__.py", "'Map.'\na = 1", "opens_a_package_with_its_map"),
        ("a.py", '"""What it is\n\nis said."""', "says_in_its_first_line_what_it_is"),
        ("a.py", "@cache\ndef f() -> AError: ...", "keeps_no_exception_to_raise_it_again"),
        (
            "a.py",
            "def f() -> A | BError: ...\ng = functools.lru_cache(1)(f)\nh = lru_cache(f)",
            "keeps_no_exception_to_raise_it_again",
        ),
        ("a.py", "raise self._gone", "keeps_no_exception_to_raise_it_again"),
        ("a.py", "a = '[a-z]*+'", "has_expressions_of_every_interpreter"),
        ("a.py", "a = rb'(?>a)'", "has_expressions_of_every_interpreter"),
        ("server/a.py", "a = b'HTTP/1.1 200'", "leaves_http1_to_http1"),
        ("server/a.py", "from edgecache.http.head import chunk", "leaves_http1_to_http1"),
        ("server/a.py", "from edgecache.server.http1.a import b", "leaves_http1_to_http1"),
    ],
)
def test_what_breaks_a_law_is_found(file: str, text: str, law: str) -> None:
    found = Survey()
    found.look_at(SourceFile(PACKAGE / file, text))
    assert found.broken[law]
