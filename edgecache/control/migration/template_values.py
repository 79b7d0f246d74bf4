"""Parameters, conditions and intrinsic functions of a CloudFormation template.

Law: a value that only AWS could know is a problem that says how to give it; none is guessed.
CloudFormation User Guide, "Intrinsic function reference", "Pseudo parameters reference".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edgecache.config.problems import Problem, joined, quoted
from edgecache.control.migration.api_document import UNKNOWN

DEPTH_MAX = 64  # of values and references in each other
TEXT_CHARS_MAX = 4_194_304  # of one value: what joins repeat does not grow without bound
_PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
_IN_TEXT = re.compile(r"\$\{(!?)([^}]*)\}")
_LISTS = ("CommaDelimitedList", "List<")
_DYNAMIC = "{{resolve:"


class _Nothing:
    """The value of AWS::NoValue: what has it is not there."""


NOTHING: Final = _Nothing()


@dataclass(slots=True)
class TemplateValues:
    """Evaluation of one template.

    `parameters` are given by the user, by name, pseudo parameters too; `attributes` are values of
    resources that only AWS knows, by `LogicalId.Attribute`, by `LogicalId` (Ref), or by the name
    of an export. `attribute_of` has those that follow from the template: (logical id, attribute or
    "" for Ref) to a value, None when it does not know.
    """

    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    attributes: Mapping[str, str]
    attribute_of: Callable[[str, str], Any]
    problems: list[Problem] = field(default_factory=list)
    _active: list[str] = field(default_factory=list)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def value(self, node: Any, place: str) -> Any:
        """What `node` is, without what is NOTHING; UNKNOWN where a problem was told."""
        if len(self._active) > DEPTH_MAX:
            return self._wrong(place, f"nested deeper than {DEPTH_MAX}")
        self._active.append("")
        try:
            return self._value(node, place)
        finally:
            self._active.pop()

    def _value(self, node: Any, place: str) -> Any:
        if isinstance(node, list):
            items = (self.value(one, f"{place}[{index}]") for index, one in enumerate(node))
            return [one for one in items if one is not NOTHING]
        if isinstance(node, str) and _DYNAMIC in node:
            return self._wrong(place, "a dynamic reference ({{resolve:...}}) is AWS's to resolve")
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name = str(next(iter(node)))
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, node[name], place)
            if name.startswith("Fn::"):
                return self._wrong(place, f"{name} is not evaluated")
        pairs = {str(name): self.value(one, joined(place, str(name))) for name, one in node.items()}
        return {name: one for name, one in pairs.items() if one is not NOTHING}

    def condition(self, name: Any, place: str) -> Any:
        """Whether a condition holds; UNKNOWN when that cannot be said."""
        conditions = self.template.get("Conditions") or {}
        if not isinstance(name, str) or name not in conditions:
            return self._wrong(place, f"{_shown(name)} is not a condition of the template")
        return self._once(f"Conditions.{name}", place, lambda: self._truth(conditions[name], name))

    def _truth(self, node: Any, name: str) -> Any:
        found = self.value(node, f"Conditions.{name}")
        if isinstance(found, bool) or found is UNKNOWN:
            return found
        return self._wrong(f"Conditions.{name}", "is neither true nor false")

    def _once(self, name: str, place: str, work: Callable[[], Any]) -> Any:
        """`work`'s result, unless it is under way: then the template has a loop."""
        if name in self._active:
            loop = " -> ".join([*filter(None, self._active[self._active.index(name) :]), name])
            return self._wrong(place, f"a loop: {loop}")
        self._active.append(name)
        try:
            return work()
        finally:
            self._active.pop()

    def ref(self, name: Any, place: str) -> Any:
        """What `Ref` gives: a parameter, a pseudo parameter, or the name of a resource."""
        if not isinstance(name, str):
            return self._wrong(place, "Ref takes a name")
        if name == "AWS::NoValue":
            return NOTHING
        if name in (self.template.get("Parameters") or {}):
            return self._parameter(name, place)
        if name.startswith("AWS::"):
            known = self.parameters.get(name) or _PSEUDO.get(name)
            return known or self._wrong(place, f"{name}: give it by --parameter {name}=TEXT")
        return self._attribute(name, "", place)

    def _parameter(self, name: str, place: str) -> Any:
        declared = self.template["Parameters"][name]
        declared = declared if isinstance(declared, dict) else {}
        kind = str(declared.get("Type", "String"))
        looked_up = kind.startswith("AWS::SSM::")  # its default is where the value is kept
        given = self.parameters.get(name)
        if given is None and (looked_up or "Default" not in declared):
            return self._wrong(place, f"parameter {name}: give it by --parameter {name}=TEXT")
        text = str(declared["Default"] if given is None else given)
        allowed = declared.get("AllowedValues")
        if isinstance(allowed, list) and text not in map(str, allowed):
            legal = ", ".join(map(str, allowed))
            return self._wrong(place, f"parameter {name}: {quoted(text)} is not one of {legal}")
        inner = kind.removeprefix("AWS::SSM::Parameter::Value<")
        return [one.strip() for one in text.split(",")] if inner.startswith(_LISTS) else text

    def _attribute(self, id: str, attribute: str, place: str) -> Any:
        """An attribute of a resource, or its Ref ("")."""
        name = f"{id}.{attribute}" if attribute else id
        if name in self.attributes:
            return self.attributes[name]
        resource = (self.template.get("Resources") or {}).get(id)
        if not isinstance(resource, dict):
            return self._wrong(place, f"{quoted(id)} is neither a resource nor a parameter")
        condition = resource.get("Condition")
        if condition is not None and self.condition(condition, f"{id}.Condition") is False:
            return self._wrong(place, f"{id} is not there: its condition {condition} is false")
        found = self._once(f"Resources.{id}", place, lambda: self.attribute_of(id, attribute))
        if found is None:
            what = f"{name} ({resource.get('Type', 'no type')})"
            return self._wrong(place, f"only AWS knows {what}: give it by --value {name}=TEXT")
        return found

    def get_att(self, node: Any, place: str) -> Any:
        """What `Fn::GetAtt` gives."""
        parts = node.split(".", 1) if isinstance(node, str) else node
        if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], str):
            return self._wrong(place, "Fn::GetAtt takes a logical id and an attribute")
        attribute = self.value(parts[1], place)
        if not isinstance(attribute, str):
            return self._wrong(place, "Fn::GetAtt takes a logical id and an attribute")
        return self._attribute(parts[0], attribute, place)

    def substitute(self, node: Any, place: str) -> Any:
        """What `Fn::Sub` gives."""
        text, given = node, {}
        if isinstance(node, list) and len(node) == 2 and isinstance(node[1], dict):
            text, given = node
        if not isinstance(text, str):
            return self._wrong(place, "Fn::Sub takes a text, or a text and a map")
        known = {name: self.value(one, f"{place}.{name}") for name, one in given.items()}
        pieces, at = [], 0
        for match in _IN_TEXT.finditer(text):
            literal, name = match[1], match[2].strip()
            pieces += [text[at : match.start()]]
            at = match.end()
            if literal:
                pieces.append(f"${{{name}}}")
            elif name in known:
                pieces.append(known[name])
            else:
                pieces.append(self.get_att(name, place) if "." in name else self.ref(name, place))
        return self._text([*pieces, text[at:]], "", place)

    def join(self, node: Any, place: str) -> Any:
        """What `Fn::Join` gives."""
        found = self.value(node, place)
        if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
            return self._wrong(place, "Fn::Join takes a text and a list")
        if not isinstance(found[1], list):
            return self._wrong(place, "Fn::Join takes a text and a list")
        return self._text(found[1], found[0], place)

    def _text(self, pieces: list[Any], between: str, place: str) -> Any:
        if any(one is UNKNOWN for one in pieces):
            return UNKNOWN
        if not all(isinstance(one, str | int | float) for one in pieces):
            return self._wrong(place, "a part of the text is no text")
        whole = between.join(_plain_text(one) for one in pieces)
        if len(whole) > TEXT_CHARS_MAX:
            return self._wrong(place, f"more than {TEXT_CHARS_MAX} characters")
        return whole

    def choose(self, node: Any, place: str) -> Any:
        """What `Fn::If` gives; what is not chosen is not evaluated."""
        if not isinstance(node, list) or len(node) != 3:
            return self._wrong(place, "Fn::If takes a condition and two values")
        holds = self.condition(node[0], place)
        return UNKNOWN if holds is UNKNOWN else self.value(node[1] if holds else node[2], place)

    def find_in_map(self, node: Any, place: str) -> Any:
        """What `Fn::FindInMap` gives."""
        found = self.value(node, place)
        if not isinstance(found, list) or len(found) not in (3, 4) or UNKNOWN in found:
            return self._wrong(place, "Fn::FindInMap takes a map, a key and a second key")
        inner: Any = self.template.get("Mappings") or {}
        for key in found[:3]:
            inner = inner.get(str(key)) if isinstance(inner, dict) else None
        if inner is None and len(found) == 4 and isinstance(found[3], dict):
            inner = found[3].get("DefaultValue")
        missing = ", ".join(map(str, found[:3]))
        return self._wrong(place, f"no map has {missing}") if inner is None else inner

    def select(self, node: Any, place: str) -> Any:
        """What `Fn::Select` gives."""
        found = self.value(node, place)
        if isinstance(found, list) and len(found) == 2 and UNKNOWN in found:
            return UNKNOWN
        try:
            index, items = int(found[0]), found[1]
            if isinstance(items, list) and index >= 0:
                return items[index]
        except (TypeError, ValueError, IndexError, KeyError):
            pass
        return self._wrong(place, "Fn::Select takes the number of an item, and a list with it")

    def split(self, node: Any, place: str) -> Any:
        """What `Fn::Split` gives."""
        found = self.value(node, place)
        if isinstance(found, list) and UNKNOWN in found:
            return UNKNOWN
        texts = isinstance(found, list) and all(isinstance(one, str) for one in found)
        if texts and len(found) == 2 and found[0]:
            return found[1].split(found[0])
        return self._wrong(place, "Fn::Split takes a delimiter and a text")

    def encode(self, node: Any, place: str) -> Any:
        """What `Fn::Base64` gives."""
        found = self.value(node, place)
        if isinstance(found, str):
            return base64.b64encode(found.encode()).decode()
        return found if found is UNKNOWN else self._wrong(place, "Fn::Base64 takes a text")

    def equals(self, node: Any, place: str) -> Any:
        """What `Fn::Equals` gives: texts and numbers are compared as text."""
        found = self.value(node, place)
        if not isinstance(found, list) or len(found) != 2:
            return self._wrong(place, "Fn::Equals takes two values")
        if UNKNOWN in found:
            return UNKNOWN
        return _plain_text(found[0]) == _plain_text(found[1])

    def combine(self, node: Any, place: str, whole: Callable[[list[bool]], bool]) -> Any:
        """What `Fn::And`, `Fn::Or` and `Fn::Not` give."""
        found = self.value(node, place)
        if not isinstance(found, list) or not found:
            return self._wrong(place, "takes a list of conditions")
        if UNKNOWN in found:
            return UNKNOWN
        if not all(isinstance(one, bool) for one in found):
            return self._wrong(place, "takes a list of conditions")
        return whole(found)

    def imported(self, node: Any, place: str) -> Any:
        """What `Fn::ImportValue` gives: an export of another stack, which the user gives."""
        name = self.value(node, place)
        if isinstance(name, str) and name in self.attributes:
            return self.attributes[name]
        if name is UNKNOWN:
            return name
        give = f"give it by --value {name}=TEXT"
        return self._wrong(place, f"{_shown(name)} is an export of another stack: {give}")

    def _wrong(self, place: str, message: str) -> Any:
        if (place, message) not in self._told:
            self._told.add((place, message))
            self.problems.append(Problem(place, message))
        return UNKNOWN


_FUNCTIONS: Mapping[str, Callable[[TemplateValues, Any, str], Any]] = {
    "Ref": TemplateValues.ref,
    "Condition": TemplateValues.condition,
    "Fn::GetAtt": TemplateValues.get_att,
    "Fn::Sub": TemplateValues.substitute,
    "Fn::Join": TemplateValues.join,
    "Fn::If": TemplateValues.choose,
    "Fn::FindInMap": TemplateValues.find_in_map,
    "Fn::Select": TemplateValues.select,
    "Fn::Split": TemplateValues.split,
    "Fn::Base64": TemplateValues.encode,
    "Fn::Equals": TemplateValues.equals,
    "Fn::And": lambda values, node, place: values.combine(node, place, all),
    "Fn::Or": lambda values, node, place: values.combine(node, place, any),
    "Fn::Not": lambda values, node, place: values.combine(node, place, lambda one: not one[0]),
    "Fn::ImportValue": TemplateValues.imported,
}


def _plain_text(value: object) -> str:
    """Text as CloudFormation writes it: `true`, and 3600 for a number without a fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else type(value).__name__
