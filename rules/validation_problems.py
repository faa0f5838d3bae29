"""Turns pydantic's errors into words for the person who wrote the file: one fault a mistake, with what is allowed."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rules.hints import did_you_mean, listed, shown
from rules.yaml_nodes import Location

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "datetime_from_date_parsing": "a date and time with its offset, such as 2026-04-01T09:00:00+09:00",
    "datetime_parsing": "a date and time with its offset, such as 2026-04-01T09:00:00+09:00",
    "datetime_type": "a date and time with its offset, such as 2026-04-01T09:00:00+09:00",
    "timezone_aware": "a date and time with its offset, such as 2026-04-01T09:00:00+09:00",
    "date_from_datetime_parsing": "a date, such as 2026-04-01",
    "date_parsing": "a date, such as 2026-04-01",
    "date_type": "a date, such as 2026-04-01",
    "time_parsing": "a time, such as 09:00",
    "time_type": "a time, such as 09:00",
}


@dataclass(frozen=True)
class FoundFault:
    """One mistake, at its place in the data."""

    location: Location
    message: str
    received: str = ""
    allowed: str = ""
    hint: str = ""


def faults_of(error: ValidationError, model: type[BaseModel], data: object) -> list[FoundFault]:
    """Return one fault a mistake: the branches of a union that failed at one place become one."""
    faults: dict[Location, FoundFault] = {}
    for details in error.errors(include_url=False):
        location = _in_data(details["loc"], data)
        fault = _fault(details, location, model)
        first = faults.get(location)
        if first is None:
            faults[location] = fault
        elif fault.allowed and fault.allowed not in first.allowed.split(" or "):
            allowed = f"{first.allowed} or {fault.allowed}" if first.allowed else fault.allowed
            faults[location] = FoundFault(location, first.message, first.received, allowed, first.hint)
    return list(faults.values())


def _in_data(loc: tuple[int | str, ...], data: object) -> Location:
    """Drop the parts of pydantic's location that name a union's branch and not a place in the data."""
    location: list[int | str] = []
    for position, part in enumerate(loc):
        if isinstance(data, dict):
            if part in data:
                data = data[part]
                location.append(part)
            elif position == len(loc) - 1:
                location.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            location.append(part)
    return tuple(location)


def _fault(details: ErrorDetails, location: Location, model: type[BaseModel]) -> FoundFault:
    kind, received = details["type"], details["input"]
    name = str(location[-1]) if location else ""
    where = _path(location)
    if kind == "extra_forbidden":
        known = _known_keys(model, details["loc"][:-1])
        hint = did_you_mean(name, known) or "remove it, or check the spelling"
        return FoundFault(location, f"unknown key '{name}'", shown(received, name), listed(known), hint)
    if kind == "missing":
        return FoundFault(location, f"'{name}' is missing", hint=f"add '{name}: …' here")
    if kind in {"literal_error", "enum"}:
        allowed = str(details.get("ctx", {}).get("expected", "")).replace(" or ", ", ")
        choices = [part.strip().strip("'") for part in allowed.split(",")]
        return FoundFault(
            location, f"{where} is none of the values allowed", shown(received, name), allowed,
            did_you_mean(str(received), choices),
        )  # fmt: skip
    if kind == "value_error":
        message = details["msg"].removeprefix("Value error, ")
        return FoundFault(location, f"{where}: {message}" if where else message, shown(received, name))
    expected = _EXPECTED.get(kind, "")
    hint = "put it in quotes" if kind == "string_type" and isinstance(received, (int, float, bool)) else ""
    if expected:
        return FoundFault(location, f"{where} is not the kind of value expected", shown(received, name), expected, hint)
    return FoundFault(location, f"{where}: {details['msg']}", shown(received, name))


def _path(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are allowed at a pydantic location; a union's branch is chosen by its name in there."""
    models = [model]
    for part in loc:
        named = [candidate for candidate in models if candidate.__name__ == part]
        if named:
            models = named
            continue
        inner: list[type[BaseModel]] = []
        for candidate in models:
            for name, info in candidate.model_fields.items():
                if part in {name, info.alias}:
                    inner.extend(_models_in(info.annotation))
        models = inner or models
    keys: dict[str, None] = {}
    for candidate in models:
        for name, info in candidate.model_fields.items():
            keys[info.alias or name] = None
    return list(keys)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, types.UnionType, tuple, list, dict, set, frozenset} or get_args(annotation):
        for part in get_args(annotation):
            yield from _models_in(part)
