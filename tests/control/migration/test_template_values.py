"""Intrinsic functions: what each gives, and what is said of each that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.problems import Problem
from edgecache.control.migration.api_document import UNKNOWN
from edgecache.control.migration.template_values import TemplateValues

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "test", "AllowedValues": ["test", "live"]},
        "Host": {"Type": "String"},
        "Names": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Secret": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/path"},
        "Port": {"Type": "Number", "Default": 443},
    },
    "Mappings": {"Ttls": {"test": {"seconds": 5}}},
    "Conditions": {
        "Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]},
        "Test": {"Fn::Not": [{"Condition": "Live"}]},
        "Both": {"Fn::And": [{"Condition": "Live"}, {"Condition": "Test"}]},
        "Either": {"Fn::Or": [{"Condition": "Live"}, {"Condition": "Test"}]},
        "Loop": {"Fn::Not": [{"Condition": "Pool"}]},
        "Pool": {"Condition": "Loop"},
        "Text": "yes",
    },
    "Resources": {
        "Web": {"Type": "AWS::S3::Bucket"},
        "Live": {"Type": "AWS::S3::Bucket", "Condition": "Live"},
        "Round": {"Type": "AWS::S3::Bucket"},
    },
}


def evaluated(node: Any, **parameters: str) -> tuple[Any, list[Problem]]:
    values: TemplateValues

    def attribute_of(id: str, attribute: str) -> Any:
        if id == "Round":
            return values.ref("Round", "Round.BucketName")
        return {"": "web-id", "Arn": "arn:web"}.get(attribute)

    given = {"Given.Out": "given", "shared-host": "imported"}
    values = TemplateValues(TEMPLATE, parameters, given, attribute_of)
    return values.value(node, "At"), values.problems


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Stage"}, "test"),
        ({"Ref": "Names"}, ["a", "b"]),
        ({"Ref": "Port"}, "443"),
        ({"Ref": "Web"}, "web-id"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"A": {"Ref": "AWS::NoValue"}, "B": 1}, {"B": 1}),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"Fn::GetAtt": ["Web", "Arn"]}, "arn:web"),
        ({"Fn::GetAtt": "Web.Arn"}, "arn:web"),
        ({"Fn::GetAtt": ["Given", "Out"]}, "given"),
        ({"Fn::Sub": "${Stage}.${Web.Arn}.${!Stage}"}, "test.arn:web.${Stage}"),
        ({"Fn::Sub": ["${a}-${Stage}", {"a": {"Ref": "Web"}}]}, "web-id-test"),
        ({"Fn::Join": [".", ["www", {"Ref": "Stage"}, 1]]}, "www.test.1"),
        ({"Fn::Join": ["", {"Fn::Split": [".", "a.b"]}]}, "ab"),
        ({"Fn::If": ["Live", {"Ref": "nobody"}, "no"]}, "no"),
        ({"Fn::If": ["Test", "yes", {"Ref": "nobody"}]}, "yes"),
        ({"Fn::If": ["Both", 1, 0]}, 0),
        ({"Fn::If": ["Either", 1, 0]}, 1),
        ({"Fn::FindInMap": ["Ttls", {"Ref": "Stage"}, "seconds"]}, 5),
        ({"Fn::FindInMap": ["Ttls", "no", "seconds", {"DefaultValue": 7}]}, 7),
        ({"Fn::Select": ["1", {"Ref": "Names"}]}, "b"),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"Fn::ImportValue": {"Fn::Sub": "shared-host"}}, "imported"),
        ({"Ref": "Web", "other": 1}, {"Ref": "Web", "other": 1}),
    ],
)
def test_a_function(node: Any, value: Any) -> None:
    assert evaluated(node) == (value, [])


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"Ref": "Host"}, "parameter Host: give it by --parameter Host=TEXT"),
        ({"Ref": "Secret"}, "parameter Secret: give it by --parameter Secret=TEXT"),
        ({"Ref": "AWS::Region"}, "AWS::Region: give it by --parameter AWS::Region=TEXT"),
        ({"Ref": "nobody"}, '"nobody" is neither a resource nor a parameter'),
        ({"Ref": "Live"}, "Live is not there: its condition Live is false"),
        ({"Ref": ["Web"]}, "Ref takes a name"),
        ({"Ref": "Round"}, "a loop: Resources.Round -> Resources.Round"),
        (
            {"Fn::GetAtt": ["Web", "DomainName"]},
            "only AWS knows Web.DomainName (AWS::S3::Bucket): give it by --value"
            " Web.DomainName=TEXT",
        ),
        ({"Fn::GetAtt": "Web"}, "Fn::GetAtt takes a logical id and an attribute"),
        ({"Fn::Sub": 1}, "Fn::Sub takes a text, or a text and a map"),
        ({"Fn::Sub": "${Names}"}, "a part of the text is no text"),
        ({"Fn::Join": ["", "a"]}, "Fn::Join takes a text and a list"),
        ({"Fn::If": ["Nobody", 1, 0]}, '"Nobody" is not a condition of the template'),
        ({"Fn::If": ["Live", 1]}, "Fn::If takes a condition and two values"),
        ({"Fn::FindInMap": ["Ttls", "no", "seconds"]}, "no map has Ttls, no, seconds"),
        ({"Fn::Select": [2, ["a"]]}, "Fn::Select takes the number of an item, and a list with it"),
        ({"Fn::Split": ["", "a"]}, "Fn::Split takes a delimiter and a text"),
        ({"Fn::GetAZs": ""}, "Fn::GetAZs is not evaluated"),
        (
            {"Fn::ImportValue": "other"},
            '"other" is an export of another stack: give it by --value other=TEXT',
        ),
        (
            "{{resolve:ssm:/a}}",
            "a dynamic reference ({{resolve:...}}) is AWS's to resolve",
        ),
    ],
)
def test_what_is_wrong_is_told_once(node: Any, said: str) -> None:
    value, problems = evaluated(node)
    assert value is UNKNOWN
    assert [one.message for one in problems] == [said]
    assert evaluated({"Fn::Join": ["", [node, "x"]]})[0] is UNKNOWN


def test_a_condition_that_is_none() -> None:
    assert [str(one) for one in evaluated({"Fn::If": ["Text", 1, 0]})[1]] == [
        "Conditions.Text: is neither true nor false"
    ]


def test_conditions_in_a_loop() -> None:
    (problem,) = evaluated({"Fn::If": ["Loop", 1, 0]})[1]
    assert problem.message == "a loop: Conditions.Loop -> Conditions.Pool -> Conditions.Loop"


def test_a_parameter_has_a_legal_value() -> None:
    assert evaluated({"Ref": "Stage"}, Stage="live") == ("live", [])
    (problem,) = evaluated({"Ref": "Stage"}, Stage="x")[1]
    assert problem.message == 'parameter Stage: "x" is not one of test, live'


def test_what_is_nested_without_end_is_refused() -> None:
    node: Any = "a"
    for _ in range(200):
        node = {"Fn::Join": ["", [node]]}
    assert any("nested deeper" in one.message for one in evaluated(node)[1])
    assert evaluated({"Fn::Join": ["", ["a" * 4_194_304, "b"]]})[0] is UNKNOWN
