"""What SendGrid refuses in a mail/send request, so that the engine meets the refusals here and not in production.

The limits are those of SendGrid's public v3 documentation; the wording of the messages is ours, the `field` names
follow SendGrid's pattern, such as `personalizations.3.to.0.email`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.checks import (
    MAX_SUBSTITUTION_BYTES,
    Problem,
    check_attachments,
    check_categories,
    check_content,
    check_custom_args,
    check_headers,
    check_person,
    check_recipient,
    check_send_at,
    check_strings,
    is_text,
)

MAX_PERSONALIZATIONS = 1_000
MAX_RECIPIENTS = 1_000


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
                yield from check_recipient(person, f"{field}.{kind}.{place}", seen)
        if "from" in envelope:
            yield from check_person(envelope["from"], f"{field}.from")
        if "subject" in envelope and not is_text(envelope["subject"]):
            yield Problem("A subject must be a string and not empty.", f"{field}.subject")
        yield from check_strings(envelope, "substitutions", f"{field}.substitutions", MAX_SUBSTITUTION_BYTES + 1)
        yield from check_custom_args(envelope, f"{field}.custom_args", body.get("custom_args"))
        yield from check_headers(envelope, f"{field}.headers")
        yield from check_send_at(envelope, f"{field}.send_at", now)
    if recipients > MAX_RECIPIENTS:
        yield Problem(f"At most {MAX_RECIPIENTS} recipients over to, cc and bcc are allowed.", "personalizations")


def _check_message(body: Mapping[str, Any], now: datetime) -> Iterator[Problem]:
    yield from check_person(body.get("from"), "from")
    if "reply_to" in body:
        yield from check_person(body["reply_to"], "reply_to")
        if "reply_to_list" in body:
            yield Problem("Use either reply_to or reply_to_list, not both.", "reply_to_list")
    envelopes = body.get("personalizations")
    everyone_has_one = isinstance(envelopes, list) and all(isinstance(e, dict) and e.get("subject") for e in envelopes)
    has_template = is_text(body.get("template_id"))
    if "subject" in body and not isinstance(body["subject"], str):
        yield Problem("The subject must be a string.", "subject")
    elif not body.get("subject") and not everyone_has_one and not has_template:
        yield Problem("A subject is required, in the message or in every personalization.", "subject")
    if "content" in body or not has_template:
        yield from check_content(body.get("content"))
    yield from check_categories(body.get("categories", []))
    yield from check_attachments(body.get("attachments", []))
    yield from check_custom_args(body, "custom_args")
    yield from check_headers(body, "headers")
    yield from check_send_at(body, "send_at", now)
