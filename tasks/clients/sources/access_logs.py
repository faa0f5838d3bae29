"""Reads web servers' access logs in the common and the combined format, as page views of visitors.

No address of a reader is kept: a visitor is a short keyed hash of address and browser.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, Reject, text_array
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_text

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    rf'(?P<host>\S+) \S+ \S.*? \[(?P<at>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{{3}}) (?:\d+|-)'
    rf"(?: {_QUOTED} {_QUOTED}(?: .*)?)?"
)
_MONTHS = dict(
    zip(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), range(1, 13), strict=True)
)
_STAMP = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)")
_NAMES = ("event_type", "occurred_at", "visitor", "url", "method", "status", "referrer", "user_agent")


def read_access_log(source: Source, filesystem: Any, path: str, key: bytes) -> Iterator[RawBatch]:
    """Yield the lines of a log in bounded batches; a line that is none of the two formats is set aside.

    Args:
        source: The source.
        filesystem: Where the file stands.
        path: The file.
        key: Of the hash that stands for a visitor; with another key, visitors get other names.
    """
    rows: list[tuple[str | None, ...]] = []
    texts: list[str] = []
    lines: list[int] = []
    rejects: list[Reject] = []

    def batch() -> RawBatch:
        values = zip(*rows, strict=True) if rows else ([] for _ in _NAMES)
        columns = {name: text_array(list(column)) for name, column in zip(_NAMES, values, strict=True)}
        return RawBatch(columns, list(lines), path, text_array(texts), list(rejects))

    # a request may hold any byte: those that do not fit are kept as their escapes and stop nothing
    opened = open_text(filesystem, path, source.encoding, source.name, newline="\n", errors="backslashreplace")
    with opened as text:
        for line, content in enumerate(text, 1):
            content = content.rstrip("\r\n")
            if line <= source.skip_rows or not content:
                continue
            row = _row(content, key)
            if row is None:
                without_address = "- " + content.partition(" ")[2]
                rejects.append(Reject(line, without_address, "not a line of the common or combined log format"))
            else:
                rows.append(row)
                texts.append(content)
                lines.append(line)
            if len(rows) + len(rejects) >= BATCH_ROWS:
                yield batch()
                rows, texts, lines, rejects = [], [], [], []
    if rows or rejects:
        yield batch()


def _row(line: str, key: bytes) -> tuple[str | None, ...] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    stamp = _STAMP.fullmatch(match["at"])
    if stamp is None or stamp[2] not in _MONTHS:
        return None
    at = f"{stamp[3]}-{_MONTHS[stamp[2]]:02}-{stamp[1]} {stamp[4]}{stamp[5]}:{stamp[6]}"
    try:
        datetime.fromisoformat(at)
    except ValueError:
        return None
    referrer, agent = match[5], match[6]
    method, _, rest = match["request"].partition(" ")
    url = rest.rpartition(" ")[0] if " HTTP/" in rest else rest
    told = f"{match['host']}\x1f{agent or ''}".encode()
    visitor = hashlib.blake2b(told, digest_size=8, key=key).hexdigest()
    return (
        "page_view", at, visitor, url, method, match["status"],
        None if referrer == "-" else referrer, None if agent == "-" else agent,
    )  # fmt: skip
