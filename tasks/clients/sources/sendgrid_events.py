"""Reads files of what SendGrid's event webhook posted: JSON lines or arrays of event objects.

Field names and event types are those of SendGrid's event webhook reference. No reader's IP address is kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, Reject, text_array
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_text

EVENT_TYPES = {
    "processed": "mail_processed",
    "delivered": "mail_delivered",
    "open": "mail_open",
    "click": "mail_click",
    "bounce": "mail_bounce",
    "dropped": "mail_dropped",
    "deferred": "mail_deferred",
    "spamreport": "mail_spam_report",
    "unsubscribe": "mail_unsubscribe",
    "group_unsubscribe": "mail_unsubscribe",
    "group_resubscribe": "mail_resubscribe",
}
"""Our event type of each of SendGrid's."""

_OF_READING = {"processed", "delivered", "deferred", "open", "click"}
_KEYS = (
    "email", "url", "sg_machine_open", "useragent", "reason", "type", "status", "sg_message_id", "smtp-id",
    "asm_group_id",
)  # fmt: skip
_YEAR_10000 = 253402300800
_NAMES = ("event_id", "event_type", "occurred_at", "send_id", *_KEYS)


def read_sendgrid_events(source: Source, filesystem: Any, path: str) -> Iterator[RawBatch]:
    """Yield the events of a file in bounded batches; what is no event is set aside.

    An array that is spread over lines is read whole; a line that holds a whole array is not.
    """
    with open_text(filesystem, path, source.encoding, source.name, newline="\n") as text:
        items = _items(text)
        while chunk := list(islice(items, BATCH_ROWS)):
            yield event_batch(chunk, path)


def event_batch(items: Iterable[tuple[int, object]], file: str | None = None) -> RawBatch:
    """Return decoded events, each with the line it stands on, as rows; what is no event is set aside."""
    rows: list[tuple[object, ...]] = []
    texts: list[str] = []
    lines: list[int] = []
    rejects: list[Reject] = []
    for line, item in items:
        if _is_of_a_test(item):
            continue
        row = _row(item)
        if isinstance(row, str):
            rejects.append(Reject(line, _shown(item), row))
        else:
            rows.append(row)
            texts.append(orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode())
            lines.append(line)
    values = zip(*rows, strict=True) if rows else ([] for _ in _NAMES)
    columns = {name: text_array(list(column)) for name, column in zip(_NAMES, values, strict=True)}
    return RawBatch(columns, lines, file, text_array(texts), rejects)


def _items(text: io.TextIOWrapper) -> Iterator[tuple[int, object]]:
    """Yield each value with the line it starts on: an event, or text where a line is not JSON."""
    for line, content in enumerate(text, 1):
        stripped = content.strip()
        if not stripped:
            continue
        try:
            value = orjson.loads(stripped)
        except orjson.JSONDecodeError:
            if not stripped.startswith("["):
                yield line, stripped
                continue
            rest = stripped + text.read()
            try:
                value = orjson.loads(rest)
            except orjson.JSONDecodeError:
                yield line, stripped
                yield from ((line + place, part) for place, part in enumerate(rest.splitlines()[1:], 1) if part.strip())
                return
        for item in value if isinstance(value, list) else [value]:
            yield line, item


def _is_of_a_test(item: object) -> bool:
    """Whether an event tells of a test mail, which counts nowhere; what ends mails to an address holds all the same."""
    return isinstance(item, dict) and "nurture_test" in item and str(item.get("event")) in _OF_READING


def _row(item: object) -> tuple[object, ...] | str:
    """Return the columns of an event, or why it is none."""
    if not isinstance(item, dict):
        return "not a JSON object"
    event_type = EVENT_TYPES.get(str(item.get("event")))
    if event_type is None:
        return "not an event of SendGrid's event webhook"
    occurred_at = item.get("timestamp")
    if isinstance(occurred_at, (int, float)) and 0 < occurred_at < _YEAR_10000:
        occurred_at = datetime.fromtimestamp(occurred_at, UTC).isoformat()
    return (item.get("sg_event_id"), event_type, occurred_at, item.get("nurture_send_id"), *map(item.get, _KEYS))


def _shown(item: object) -> str:
    if isinstance(item, dict):
        return orjson.dumps({key: value for key, value in item.items() if key != "ip"}).decode()
    return str(item)
