"""What SendGrid refuses in a mail/send request, so that the engine meets the refusals here and not in production.

The limits are those of SendGrid's public v3 documentation; the wording of the messages is ours, the `field` names
follow SendGrid's pattern, such as `personalizations.3.to.0.email`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

MAX_PERSONALIZATIONS = 1_000
MAX_RECIPIENTS = 1_000
MAX_SUBSTITUTION_BYTES = 10_000
MAX_CUSTOM_ARGS_BYTES = 10_000
MAX_CATEGORIES = 10
MAX_CATEGORY_CHARACTERS = 255
MAX_SEND_AT_AHEAD = timedelta(hours=72)
RESERVED_HEADERS = frozenset(
    ("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding")
    + ("to", "from", "subject", "reply-to", "cc", "bcc")
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
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


def check_mail(body: object, now: datetime) -> list[Problem]:
    """Checks a decoded mail/send body.

    Args:
        body: The decoded JSON.
        now: The instant from which the 72 hours of `send_at` are counted.

    Returns:
        Every problem found, in the order of the body; empty when SendGrid would accept it.
    """
    if not isinstance(body, dict):
        return [Problem("The body must be a JSON object.")]
    return [*_check_personalizations(body, now), *_check_message(body, now)]


def _check_personalizations(body: Mapping[str, Any], now: datetime) -> Iterator[Problem]:
    envelopes = body.get("personalizations")
    if not isinstance(envelopes, list) or not envelopes:
        yield Problem("At least one personalization is required.", "personalizations")
        return
    if len(envelopes) > MAX_PERSONALIZATIONS:
        yield Problem(f"At most {MAX_PERSONALIZATIONS} personalizations are allowed.", "personalizations")
        return
    seen: set[str] = set()
    recipients = 0
    for index, envelope in enumerate(envelopes):
        field = f"personalizations.{index}"
        if not isinstance(envelope, dict):
            yield Problem("A personalization must be an object.", field)
            continue
        if not envelope.get("to"):
            yield Problem("A personalization needs at least one recipient.", f"{field}.to")
        for kind in ("to", "cc", "bcc"):
            people = envelope.get(kind, [])
            if not isinstance(people, list):
                yield Problem("Recipients must be an array.", f"{field}.{kind}")
                continue
            recipients += len(people)
            for place, person in enumerate(people):
                yield from _check_recipient(person, f"{field}.{kind}.{place}", seen)
        if "from" in envelope:
            yield from _check_person(envelope["from"], f"{field}.from")
        if "subject" in envelope and not _is_text(envelope["subject"]):
            yield Problem("A subject must be a string and not empty.", f"{field}.subject")
        yield from _check_strings(envelope, "substitutions", f"{field}.substitutions", MAX_SUBSTITUTION_BYTES + 1)
        yield from _check_custom_args(envelope, f"{field}.custom_args", body.get("custom_args"))
        yield from _check_headers(envelope, f"{field}.headers")
        yield from _check_send_at(envelope, f"{field}.send_at", now)
    if recipients > MAX_RECIPIENTS:
        yield Problem(f"At most {MAX_RECIPIENTS} recipients over to, cc and bcc are allowed.", "personalizations")


def _check_message(body: Mapping[str, Any], now: datetime) -> Iterator[Problem]:
    yield from _check_person(body.get("from"), "from")
    if "reply_to" in body:
        yield from _check_person(body["reply_to"], "reply_to")
        if "reply_to_list" in body:
            yield Problem("Use either reply_to or reply_to_list, not both.", "reply_to_list")
    envelopes = body.get("personalizations")
    everyone_has_one = isinstance(envelopes, list) and all(isinstance(e, dict) and e.get("subject") for e in envelopes)
    has_template = _is_text(body.get("template_id"))
    if "subject" in body and not isinstance(body["subject"], str):
        yield Problem("The subject must be a string.", "subject")
    elif not body.get("subject") and not everyone_has_one and not has_template:
        yield Problem("A subject is required, in the message or in every personalization.", "subject")
    if "content" in body or not has_template:
        yield from _check_content(body.get("content"))
    yield from _check_categories(body.get("categories", []))
    yield from _check_custom_args(body, "custom_args")
    yield from _check_headers(body, "headers")
    yield from _check_send_at(body, "send_at", now)


def _check_content(content: object) -> Iterator[Problem]:
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
        if not _is_text(part.get("type")):
            yield Problem("A content needs a MIME type.", f"{field}.type")
            continue
        if not _is_text(part.get("value")):
            yield Problem("The value of a content must be a string and not empty.", f"{field}.value")
        rank = order.get(part["type"], 2)
        if rank < last:
            yield Problem("text/plain must come first, then text/html, then any other.", f"{field}.type")
        last = max(last, rank)


def _check_categories(categories: object) -> Iterator[Problem]:
    if not isinstance(categories, list):
        yield Problem("Categories must be an array of strings.", "categories")
        return
    if len(categories) > MAX_CATEGORIES:
        yield Problem(f"At most {MAX_CATEGORIES} categories are allowed.", "categories")
    for index, category in enumerate(categories):
        if not _is_text(category) or len(category) > MAX_CATEGORY_CHARACTERS:
            message = f"A category must be a string of 1 to {MAX_CATEGORY_CHARACTERS} characters."
            yield Problem(message, f"categories.{index}")
        elif category in categories[:index]:
            yield Problem("Each category may stand once.", f"categories.{index}")


def _check_recipient(person: object, field: str, seen: set[str]) -> Iterator[Problem]:
    yield from _check_person(person, field)
    if not isinstance(person, dict):
        return
    if any(mark in str(person.get("name") or "") for mark in ";,"):
        yield Problem("The name of a recipient must contain neither ; nor a comma.", f"{field}.name")
    address = person.get("email")
    if isinstance(address, str):
        if address.lower() in seen:
            yield Problem("Each address may stand once in a request.", f"{field}.email")
        seen.add(address.lower())


def _check_person(person: object, field: str) -> Iterator[Problem]:
    if not isinstance(person, dict):
        yield Problem("An object with an email is required.", field if "." in field else f"{field}.email")
    elif not is_address(person.get("email")):
        yield Problem("A valid e-mail address is required.", f"{field}.email")
    elif not isinstance(person.get("name", ""), str | None):
        yield Problem("A name must be a string.", f"{field}.name")


def _check_custom_args(part: Mapping[str, Any], field: str, shared: object = None) -> Iterator[Problem]:
    own = part.get("custom_args")
    # What is sent is the message's arguments overridden by the personalization's: the limit holds for both together.
    # Faults of the message's own arguments are named once, there, and not again for each personalization.
    if isinstance(own, dict) and isinstance(shared, dict) and not any(_check_custom_args({"custom_args": shared}, "")):
        part = {"custom_args": {**shared, **own}}
    yield from _check_strings(part, "custom_args", field, MAX_CUSTOM_ARGS_BYTES)


def _check_strings(part: Mapping[str, Any], name: str, field: str, limit_bytes: int) -> Iterator[Problem]:
    values = part.get(name)
    if values is None:
        return
    if not isinstance(values, dict):
        yield Problem("An object of string values is required.", field)
        return
    for key, value in values.items():
        if not isinstance(value, str):
            yield Problem("A value must be a string.", f"{field}.{key}")
    if len(orjson.dumps(values)) >= limit_bytes:
        yield Problem("Too many bytes: at most 10,000 are allowed.", field)


def _check_headers(part: Mapping[str, Any], field: str) -> Iterator[Problem]:
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


def _check_send_at(part: Mapping[str, Any], field: str, now: datetime) -> Iterator[Problem]:
    at = part.get("send_at")
    if at is None:
        return
    if not isinstance(at, int) or isinstance(at, bool):
        yield Problem("send_at must be a Unix timestamp in whole seconds.", field)
    elif at > (now + MAX_SEND_AT_AHEAD).timestamp():
        yield Problem("send_at may lie at most 72 hours ahead.", field)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
