"""Functions and their associations: every way they can be wrong."""

from __future__ import annotations

import pytest

from edgecache.config.checks import functions
from edgecache.config.checks.functions import check_functions, function_warnings
from edgecache.config.functions import CODE_BYTES_MAX, FunctionAssociation, FunctionConfig
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
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


def test_headers_that_no_policy_names_are_told() -> None:
    reads = FunctionConfig(
        name="f", code="e => e.request.headers['CloudFront-Viewer-Country'].value + 'cloudfront-x'"
    )
    runs = (FunctionAssociation(event_type="viewer-request", function="f"),)

    def told(policy: CachePolicy) -> list[str]:
        behavior = Behavior(origin="o", cache_policy=policy, function_associations=runs)
        site = Distribution(id="E", origins=(), default_behavior=behavior)
        config = Config(functions=(reads,), distributions=(site,))
        return [str(one) for one in function_warnings(config)]

    (line,) = told(CachePolicy())
    assert line.startswith(
        'distributions[0].default_behavior.function_associations[0]: "f" reads '
        "cloudfront-viewer-country, which"
    )
    headers = HeaderSelection(behavior="whitelist", items=("CloudFront-Viewer-Country",))
    assert told(CachePolicy(headers=headers)) == []
