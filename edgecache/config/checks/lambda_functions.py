"""Checks of Lambda functions and of the behaviors that run them.

Developer Guide, "Restrictions on Lambda@Edge", "Restrictions on all edge functions" and "Quotas on
Lambda@Edge"; Lambda API reference, CreateFunction. What a machine must have (`node`, the folder) is
looked for where the function is to run: `supervisor/preflight.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgecache.config.lambda_functions import ARN, LambdaFunctionConfig, label_of
from edgecache.config.model import Behavior, Config, Distribution
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLER = re.compile(r"(?!/)[A-Za-z0-9_$/-]+(?:\.[A-Za-z0-9_$/-]+)*\.[A-Za-z_$][A-Za-z0-9_$]*")
_AT_REQUESTS = ("viewer-request", "origin-request")
_AT_VIEWERS = ("viewer-request", "viewer-response")


def check_lambda_functions(config: Config, problems: Problems) -> None:
    """Every function can be run, and every association leads to one."""
    known: set[str] = set()
    for index, function in enumerate(config.lambda_functions):
        where = f"lambda_functions[{index}]"
        _check_function(function, where, problems)
        if function.label in known:
            trouble = f"{quoted(function.label)} is another function's too"
            problems.add(f"{where}.name", trouble, ProblemCode.TAKEN)
        known.add(function.label)
    for number, site in enumerate(config.distributions):
        for where, behavior in _behaviors(site, f"distributions[{number}]"):
            _check_behavior(behavior, known, where, problems)


def _check_function(function: LambdaFunctionConfig, where: str, problems: Problems) -> None:
    if not _NAME.fullmatch(function.name):
        trouble = f"{quoted(function.name)} is not a name (letters, digits, - and _, at most 64)"
        problems.add(f"{where}.name", trouble)
    if not _HANDLER.fullmatch(function.handler):
        trouble = f"{quoted(function.handler)} is not a file and a name in it (index.handler)"
        problems.add(f"{where}.handler", trouble)


def _behaviors(site: Distribution, where: str) -> Iterator[tuple[str, Behavior]]:
    yield f"{where}.default_behavior", site.default_behavior
    for number, behavior in enumerate(site.behaviors):
        yield f"{where}.behaviors[{number}]", behavior


def _check_behavior(behavior: Behavior, known: set[str], where: str, problems: Problems) -> None:
    """One function an event, CloudFront's rules of what goes together, and ARNs that are known."""
    place, events = f"{where}.lambda_function_associations", set[str]()
    for index, one in enumerate(behavior.lambda_function_associations):
        here = f"{place}[{index}]"
        if one.event_type in events:
            trouble = f"{quoted(one.event_type)} has another function already"
            problems.add(f"{here}.event_type", trouble, ProblemCode.CONFLICT)
        events.add(one.event_type)
        if one.include_body and one.event_type not in _AT_REQUESTS:
            trouble = "is for the events of requests"
            problems.add(f"{here}.include_body", trouble)
        _check_arn(one.function_arn, known, f"{here}.function_arn", problems)
    if behavior.grpc and events:
        problems.add(place, "CloudFront runs no Lambda function where grpc is on")
    if behavior.function_associations and events.intersection(_AT_VIEWERS):
        trouble = (
            "a behavior has CloudFront functions or Lambda functions at viewers' events, not both"
        )
        problems.add(place, trouble, ProblemCode.CONFLICT)


def _check_arn(arn: str, known: set[str], where: str, problems: Problems) -> None:
    if ARN.fullmatch(arn) is None:
        trouble = (
            f"{quoted(arn)} is not the ARN of a numbered version "
            "(arn:aws:lambda:us-east-1:ACCOUNT:function:NAME:VERSION)"
        )
        problems.add(where, trouble)
    elif label_of(arn) not in known:
        names = f" (known: {listed(sorted(known))})" if known else ""
        trouble = f"there is no version {quoted(label_of(arn))} in lambda_functions{names}"
        problems.add(where, trouble, ProblemCode.UNKNOWN)
