"""Lambda functions and their associations: every way they can be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.checks.lambda_functions import check_lambda_functions
from edgecache.config.functions import FunctionAssociation
from edgecache.config.lambda_functions import LambdaFunctionAssociation, LambdaFunctionConfig
from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.config.problems import Problems

ARN = "arn:aws:lambda:us-east-1:000000000000:function:{}"
GOOD = LambdaFunctionConfig(name="f", runtime="python", folder="/f", handler="app.handler")


def at(event: Any, name: str = "f:1", *, body: bool = False) -> LambdaFunctionAssociation:
    arn = ARN.format(name)
    return LambdaFunctionAssociation(event_type=event, function_arn=arn, include_body=body)


def problems(
    *made: LambdaFunctionConfig, at: tuple[LambdaFunctionAssociation, ...] = (), **behavior: Any
) -> list[str]:
    site = Distribution(
        id="E1",
        origins=(Origin(id="web", domain_name="h"),),
        default_behavior=Behavior(origin="web", lambda_function_associations=at, **behavior),
    )
    found = Problems()
    check_lambda_functions(Config(lambda_functions=made, distributions=(site,)), found)
    return [str(problem) for problem in found.found]


def test_what_is_good_passes() -> None:
    other = LambdaFunctionConfig(
        name="f", version=2, runtime="nodejs", folder="/g", handler="src/index.handler"
    )
    every = (
        at("viewer-request", body=True),
        at("origin-request", "f:2", body=True),
        at("origin-response"),
        at("viewer-response", "f:2"),
    )
    assert problems(GOOD, other, at=every) == []


def test_cloudfront_functions_may_stand_beside_those_of_origins() -> None:
    own = (FunctionAssociation(event_type="viewer-request", function="own"),)
    assert problems(GOOD, at=(at("origin-request"),), function_associations=own) == []
    (told,) = problems(GOOD, at=(at("viewer-response"),), function_associations=own)
    assert "CloudFront functions or Lambda functions" in told


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "a b"}, 'name: "a b" is not a name'),
        ({"handler": "handler"}, "is not a file and a name in it"),
        ({"handler": "/etc/x.handler"}, "is not a file and a name in it"),
        ({"handler": "../x.handler"}, "is not a file and a name in it"),
        ({"handler": "a.b-c"}, "is not a file and a name in it"),
    ],
)
def test_a_function_that_cannot_be(changes: dict[str, Any], problem: str) -> None:
    fields = {"name": "f", "runtime": "python", "folder": "/f", "handler": "app.handler"}
    (told,) = problems(LambdaFunctionConfig(**{**fields, **changes}))
    assert problem in told


def test_a_version_is_there_once() -> None:
    (told,) = problems(GOOD, GOOD)
    assert '"f:1" is another function\'s too' in told


@pytest.mark.parametrize(
    ("associations", "problem"),
    [
        ((at("origin-request", "g:1"),), 'there is no version "g:1"'),
        ((at("origin-request", "f:2"),), 'there is no version "f:2"'),
        ((at("origin-request", "f:$LATEST"),), "not the ARN of a numbered version"),
        ((at("origin-request", "f:alias"),), "not the ARN of a numbered version"),
        ((at("origin-request", "f"),), "not the ARN of a numbered version"),
        ((at("origin-request"), at("origin-request")), "has another function already"),
        ((at("origin-response", body=True),), "is for the events of requests"),
    ],
)
def test_an_association_that_cannot_be(
    associations: tuple[LambdaFunctionAssociation, ...], problem: str
) -> None:
    (told,) = problems(GOOD, at=associations)
    assert problem in told
    assert "lambda_function_associations" in told


def test_another_region_has_no_such_function() -> None:
    arn = ARN.format("f:1").replace("us-east-1", "eu-west-2")
    one = LambdaFunctionAssociation(event_type="origin-request", function_arn=arn)
    (told,) = problems(GOOD, at=(one,))
    assert "not the ARN" in told


def test_grpc_goes_without() -> None:
    (told,) = problems(GOOD, at=(at("origin-request"),), grpc=True)
    assert "grpc" in told
