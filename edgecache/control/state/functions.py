"""Functions as control keeps them, as nodes are told of them: the live stage, where it is used.

A function's row has its stages by name; each with its ETag, its FunctionConfig and its code.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from edgecache.config.functions import FunctionConfig, FunctionRuntime, FunctionStage
from edgecache.config.model import Config, Distribution
from edgecache.control.state.resources import Resource, content_etag

DEVELOPMENT: FunctionStage = "DEVELOPMENT"
LIVE: FunctionStage = "LIVE"
_STORE_ARN = "arn:aws:cloudfront::000000000000:key-value-store/"


def function_config(name: str, stage: dict[str, Any], called: str) -> FunctionConfig:
    """A stage of a function, in the model."""
    given = stage["FunctionConfig"]
    stores = given["KeyValueStoreAssociations"].get("Items", ())
    return FunctionConfig(
        name=name,
        runtime=cast(FunctionRuntime, given["Runtime"]),
        stage=cast(FunctionStage, called),
        code=stage["FunctionCode"],
        comment=given["Comment"],
        key_value_stores=tuple(one["KeyValueStoreARN"].rpartition("/")[2] for one in stores),
    )


def live_function(one: Resource) -> FunctionConfig | None:
    """What nodes run of a function; None: it was never published."""
    stage = one.config["Stages"].get(LIVE)
    return None if stage is None else function_config(one.id, stage, LIVE)


def declared_stage(function: FunctionConfig, at: float) -> dict[str, Any]:
    """The live stage of a function of the file, as the API has it."""
    stores = [{"KeyValueStoreARN": f"{_STORE_ARN}{id}"} for id in function.key_value_stores]
    return {
        "ETag": content_etag({"code": function.code, "stores": [*function.key_value_stores]}),
        "FunctionConfig": {
            "Comment": function.comment,
            "Runtime": function.runtime,
            "KeyValueStoreAssociations": {"Quantity": len(stores)}
            | ({"Items": stores} if stores else {}),
        },
        "FunctionCode": function.code,
        "CreatedTime": at,
        "LastModifiedTime": at,
    }


def without_idle_functions(config: Config) -> Config:
    """A configuration without the functions that no behavior runs: nodes need not know them.

    Nor are they told of Python hooks: each has those that its own file names.
    """
    used = {name for one in config.distributions for name in used_functions(one)}
    functions = tuple(one for one in config.functions if one.name in used)
    return replace(config, functions=functions, python_hooks=())


def used_functions(distribution: Distribution) -> set[str]:
    """The names of the functions that its behaviors run."""
    behaviors = (*distribution.behaviors, distribution.default_behavior)
    return {one.function for behavior in behaviors for one in behavior.function_associations}
