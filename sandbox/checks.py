"""The checks of a mail/send request's parts, each naming the field at fault; `validation` puts them together."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

MAX_SUBSTITUTION_BYTES = 10_000
MAX_CUSTOM_ARGS_BYTES = 10_000
MAX_CATEGORIES = 10
MAX_CATEGORY_CHARACTERS = 255
MAX_SEND_AT_AHEAD = timedelta(hours=72)
RESERVED_HEADERS = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
        "to", "from", "subject", "reply-to", "cc", "bcc",
    }
)  # fmt: skip
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of SendGrid's error answer."""

    message: str
    field: str | None = None
    help: str | None = None


def error_body(problems: list[Problem]) -> bytes:
    """Writes problems in the shape of SendGrid's error answers."""
    return orjson.dumps({"errors": [asdict(problem) for problem in problems]})


def is_address(value: object) -> bool:
    """Tells whether a value looks like an e-mail address (ASCII, dot-atom, a domain with a dot)."""
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def check_content(content: object) -> Iterator[Problem]:
    """At least one part, none empty, text before HTML."""
    if not isinstance(content, list) or not content:
        yield Problem("At least one content is required.", "content")
        return
    order = {"text/plain": 0, "text/html": 1}
    last = 0
    for index, part in enumerate(content):
        field = f"content.{index}"
        if not isinstance(part, dict):
            yield Problem("A content must be an object.", field)
            continue
        if not is_text(part.get("type")):
            yield Problem("A content needs a MIME type.", f"{field}.type")
            continue
        if not is_text(part.get("value")):
            yield Problem("The value of a content must be a string and not empty.", f"{field}.value")
        rank = order.get(part["type"], 2)
        if rank < last:
            yield Problem("text/plain must come first, then text/html, then any other.", f"{field}.type")
        last = max(last, rank)


def check_categories(categories: object) -> Iterator[Problem]:
    """At most ten, each once and of a bounded length."""
    if not isinstance(categories, list):
        yield Problem("Categories must be an array of strings.", "categories")
        return
    if len(categories) > MAX_CATEGORIES:
        yield Problem(f"At most {MAX_CATEGORIES} categories are allowed.", "categories")
    for index, category in enumerate(categories):
        if not is_text(category) or len(category) > MAX_CATEGORY_CHARACTERS:
            message = f"A category must be a string of 1 to {MAX_CATEGORY_CHARACTERS} characters."
            yield Problem(message, f"categories.{index}")
        elif category in categories[:index]:
            yield Problem("Each category may stand once.", f"categories.{index}")


def check_attachments(attachments: object) -> Iterator[Problem]:
    """Each has a file name and content in Base64; one that stands in the text has an id."""
    if not isinstance(attachments, list):
        yield Problem("Attachments must be an array of objects.", "attachments")
        return
    ids: set[str] = set()
    for index, one in enumerate(attachments):
        field = f"attachments.{index}"
        if not isinstance(one, dict):
            yield Problem("An attachment must be an object.", field)
            continue
        if not is_text(one.get("filename")):
            yield Problem("An attachment needs a filename.", f"{field}.filename")
        if not is_text(one.get("content")) or not _is_base64(one["content"]):
            yield Problem("The content of an attachment must be Base64 and not empty.", f"{field}.content")
        if "type" in one and (not isinstance(one["type"], str) or _MIME_TYPE.fullmatch(one["type"]) is None):
            yield Problem("The type of an attachment must be a MIME type.", f"{field}.type")
        if one.get("disposition", "attachment") not in ("attachment", "inline"):
            yield Problem("The disposition must be attachment or inline.", f"{field}.disposition")
        elif one.get("disposition") == "inline" and not is_text(one.get("content_id")):
            yield Problem("What stands in the text needs a content_id.", f"{field}.content_id")
        elif is_text(one.get("content_id")):
            if one["content_id"] in ids:
                yield Problem("Each content_id may stand once in a request.", f"{field}.content_id")
            ids.add(one["content_id"])


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def check_recipient(person: object, field: str, seen: set[str]) -> Iterator[Problem]:
    """A plausible address, not seen before in the request, under a name without separators."""
    yield from check_person(person, field)
    if not isinstance(person, dict):
        return
    if any(mark in str(person.get("name") or "") for mark in ";,"):
        yield Problem("The name of a recipient must contain neither ; nor a comma.", f"{field}.name")
    address = person.get("email")
    if isinstance(address, str):
        if address.lower() in seen:
            yield Problem("Each address may stand once in a request.", f"{field}.email")
        seen.add(address.lower())


def check_person(person: object, field: str) -> Iterator[Problem]:
    """An object with a plausible address."""
    if not isinstance(person, dict):
        yield Problem("An object with an email is required.", field if "." in field else f"{field}.email")
    elif not is_address(person.get("email")):
        yield Problem("A valid e-mail address is required.", f"{field}.email")
    elif not isinstance(person.get("name", ""), str | None):
        yield Problem("A name must be a string.", f"{field}.name")


def check_custom_args(part: Mapping[str, Any], field: str, shared: object = None) -> Iterator[Problem]:
    """String values within the bytes allowed, together with those of the whole message."""
    own = part.get("custom_args")
    # What is sent is the message's arguments overridden by the personalization's: the limit holds for both together.
    # Faults of the message's own arguments are named once, there, and not again for each personalization.
    if isinstance(own, dict) and isinstance(shared, dict) and not any(check_custom_args({"custom_args": shared}, "")):
        part = {"custom_args": {**shared, **own}}
    yield from check_strings(part, "custom_args", field, MAX_CUSTOM_ARGS_BYTES)


def check_strings(part: Mapping[str, Any], name: str, field: str, limit_bytes: int) -> Iterator[Problem]:
    """An object of strings of fewer bytes than the limit."""
    values = part.get(name)
    if values is None:
        return
    if not isinstance(values, dict):
        yield Problem("An object of string values is required.", field)
        return
    others = [key for key, value in values.items() if not isinstance(value, str)]
    for key in others:
        yield Problem("A value must be a string.", f"{field}.{key}")
    if not others and len(orjson.dumps(values)) >= limit_bytes:
        yield Problem("Too many bytes: at most 10,000 are allowed.", field)


def check_headers(part: Mapping[str, Any], field: str) -> Iterator[Problem]:
    """An object of strings without a reserved name."""
    headers = part.get("headers")
    if headers is None:
        return
    if not isinstance(headers, dict):
        yield Problem("Headers must be an object of strings.", field)
        return
    for name, value in headers.items():
        if name.lower() in RESERVED_HEADERS:
            yield Problem("This header is reserved.", f"{field}.{name}")
        elif not isinstance(value, str):
            yield Problem("The value of a header must be a string.", f"{field}.{name}")


def check_send_at(part: Mapping[str, Any], field: str, now: datetime) -> Iterator[Problem]:
    """Whole Unix seconds, not too far ahead."""
    at = part.get("send_at")
    if at is None:
        return
    if not isinstance(at, int) or isinstance(at, bool):
        yield Problem("send_at must be a Unix timestamp in whole seconds.", field)
    elif at > (now + MAX_SEND_AT_AHEAD).timestamp():
        yield Problem("send_at may lie at most 72 hours ahead.", field)


def is_text(value: object) -> bool:
    """Tells whether a value is a string with something in it."""
    return isinstance(value, str) and bool(value)
