"""Functions and their associations: every way they can be wrong."""

from __future__ import annotations

import pytest

from edgecache.config.checks import functions
from edgecache.config.checks.functions import check_functions
from edgecache.config.functions import (
    CODE_BYTES_MAX,
    FunctionAssociation,
    FunctionConfig,
    PythonHookConfig,
)
from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Origin,
)
from edgecache.config.problems import Problems

CODE = "function handler(event) { return event.request }"
REWRITE = FunctionConfig(name="rewrite", code=CODE)
AT_REQUEST = FunctionAssociation(event_type="viewer-request", function="rewrite")
AT_RESPONSE = FunctionAssociation(event_type="viewer-response", function="rewrite")


def problems(*made: FunctionConfig, at: tuple[FunctionAssociation, ...] = ()) -> list[str]:
    site = Distribution(
        id="E1",
        origins=(Origin(id="web", domain_name="h"),),
        default_behavior=Behavior(origin="web", function_associations=at),
    )
    found = Problems()
    check_functions(Config(functions=made, distributions=(site,)), found)
    return [str(problem) for problem in found.found]


def test_what_is_good_passes() -> None:
    draft = FunctionConfig(name="rewrite", stage="DEVELOPMENT", code=CODE)
    assert problems(REWRITE, draft, at=(AT_REQUEST, AT_RESPONSE)) == []


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (FunctionConfig(name="a b", code=CODE), 'name: "a b" is not a name'),
        (FunctionConfig(name="x" * 65, code=CODE), "is not a name"),
        (FunctionConfig(name="a"), "code: empty"),
        (FunctionConfig(name="a", code="x" * (CODE_BYTES_MAX + 1)), "larger than 10240 bytes"),
        (FunctionConfig(name="a", code="é" * CODE_BYTES_MAX), "larger than 10240 bytes"),
        (FunctionConfig(name="a", code=CODE, key_value_stores=("a", "b")), "2 stores are more"),
        (
            FunctionConfig(
                name="a", code=CODE, runtime="cloudfront-js-1.0", key_value_stores=("a",)
            ),
            "cloudfront-js-1.0 reads no key value store",
        ),
    ],
)
def test_a_function_that_cannot_be(made: FunctionConfig, problem: str) -> None:
    (told,) = problems(made)
    assert told.startswith("functions[0].")
    assert problem in told


def test_two_functions_of_one_name() -> None:
    assert problems(REWRITE, REWRITE) == ['functions[1].name: "rewrite" is another function\'s too']


def test_an_association_leads_to_a_live_function() -> None:
    where = "distributions[0].default_behavior.function_associations"
    draft = FunctionConfig(name="rewrite", stage="DEVELOPMENT", code=CODE)
    told = problems(draft, at=(AT_REQUEST,))
    assert told == [f'{where}[0].function: "rewrite" is not a live function']
    other = FunctionConfig(name="other", code=CODE)
    (told_known,) = problems(other, at=(AT_REQUEST,))
    assert told_known.endswith('(known: "other")')


def test_an_event_has_one_function() -> None:
    (told,) = problems(REWRITE, at=(AT_REQUEST, AT_REQUEST))
    assert told.endswith('event_type: "viewer-request" has another function already')


def test_without_an_engine_nothing_is_associated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "ENGINE", "no_such_engine")
    (told,) = problems(REWRITE, at=(AT_REQUEST,))
    assert told.endswith("pip install 'edgecache[functions]'")
    assert problems(REWRITE) == []


HOOK = PythonHookConfig(name="tenant", file="/hooks.py")
AT_HOOK = FunctionAssociation(event_type="viewer-request", python_hook="tenant")


def hook_problems(*hooks: PythonHookConfig, at: tuple[FunctionAssociation, ...] = ()) -> list[str]:
    site = Distribution(
        id="E1",
        origins=(Origin(id="web", domain_name="web.test"),),
        default_behavior=Behavior(origin="web", function_associations=at),
    )
    found = Problems()
    check_functions(Config(distributions=(site,), python_hooks=hooks), found)
    return [str(one) for one in found.found]


def test_a_hook_has_a_name_and_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "ENGINE", "no_such_engine")  # hooks need none
    module = PythonHookConfig(name="other", module="a.b", function="f")
    assert hook_problems(HOOK, module, at=(AT_HOOK,)) == []
    for wrong, told in [
        (PythonHookConfig(name="a b", file="/x"), 'python_hooks[0].name: "a b" is not a name'),
        (PythonHookConfig(name="a"), "python_hooks[0]: say module or file, and not both"),
        (PythonHookConfig(name="a", file="/x", module="x"), "python_hooks[0]: say module or"),
        (PythonHookConfig(name="a", file="/x", function="a.b"), 'python_hooks[0].function: "a.b"'),
    ]:
        (line,) = hook_problems(wrong)
        assert line.startswith(told)
    assert hook_problems(HOOK, HOOK) == ['python_hooks[1].name: "tenant" is another hook\'s too']


def test_an_association_leads_to_a_hook_of_the_file() -> None:
    where = "distributions[0].default_behavior.function_associations[0]"
    assert hook_problems(at=(AT_HOOK,)) == [
        f'{where}.python_hook: "tenant" is no hook of this file'
    ]
    both = FunctionAssociation(event_type="viewer-request", python_hook="tenant", function="f")
    assert hook_problems(HOOK, at=(both,))[-1].endswith("function is not used with python_hook")
