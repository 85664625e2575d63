"""The building blocks of JSON schemas."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
WORD: Schema = {"type": "string", "minLength": 1}
TIME: Schema = {"type": "string", "format": "date-time"}


def one_of(words: Iterable[StrEnum] | Iterable[str]) -> Schema:
    """Return the schema of one of some words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"]
    listed = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": listed, **enum}


def array(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """Refer to one of the named schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_(**members: Schema) -> Schema:
    """Return the schema of an object whose members are all there; others may come."""
    named = {name.rstrip("_"): schema for name, schema in members.items()}
    return {"type": "object", "required": list(named), "properties": named}


def request_object(required: Iterable[str] = (), **members: Schema) -> Schema:
    """Return the schema of an object that is sent, with members that may be left out."""
    named = {name.rstrip("_"): schema for name, schema in members.items()}
    told = list(required)
    return {"type": "object", "properties": named, **({"required": told} if told else {})}


def strict_object(required: Iterable[str] = (), **members: Schema) -> Schema:
    """Return the schema of an object that is sent, in which other members are refused."""
    return {**request_object(required, **members), "additionalProperties": False}


def with_more(**members: Schema) -> Schema:
    """Return the schema of an object that has further members, which differ from case to case."""
    return {**object_(**members), "additionalProperties": True}


def counts_of(names: Iterable[StrEnum] | Iterable[str] = ()) -> Schema:
    """Return the schema of counts by name: of these and no others, or of any."""
    each = {str(name): WHOLE for name in names}
    if not each:
        return {"type": "object", "additionalProperties": WHOLE}
    return object_(**each)


def page(name: str, item: Schema, **beside: Schema) -> Schema:
    """Return the schema of a stretch of a list."""
    return object_(**beside, **{name: array(item), "next": nullable(TEXT)})
