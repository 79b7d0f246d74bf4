"""The least input an operation takes, made from the model."""

from __future__ import annotations

from typing import Any

_PATTERNED = {  # what matches the patterns of the model
    "CaCertificatesBundleS3LocationRegionString": "eu-west-1",
    "CreateDistributionTenantRequestNameString": "tenant",
    "OriginShieldRegion": "eu-west-1",
    "ResourceARN": "arn:aws:cloudfront::000000000000:distribution/EFILE",
    "FunctionARN": "arn:aws:cloudfront::000000000000:function/f",
    "KeyValueStoreARN": "arn:aws:cloudfront::000000000000:key-value-store/" + "0" * 36,
}
_SCALARS: dict[str, Any] = {
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "boolean": False,
    "blob": b"x",
    "timestamp": "2026-01-02T03:04:05Z",
}


def minimal(shape: Any) -> Any:
    """The required members and no more; as many items as a list needs."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        return _structure(shape)
    if shape.type_name == "list":
        return [minimal(shape.member)] * int(shape.metadata.get("min", 0))
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else _PATTERNED.get(shape.name, "x")
    return _SCALARS[shape.type_name]


def _structure(shape: Any) -> dict[str, Any]:
    names = shape.required_members or (list(shape.members)[:1] if shape.is_tagged_union else [])
    made = {name: minimal(shape.members[name]) for name in names}
    if "Quantity" in made and "Items" in shape.members:
        made["Quantity"] = len(made.get("Items", ()))
    return made
