"""Reads JSON lines: one object a line, of which the mapped keys are taken; ``a.b`` reaches into an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tasks.clients.sources.batches import BATCH_ROWS, RawBatch, Reject, text_array
from tasks.clients.sources.models import Source
from tasks.clients.sources.text_files import open_text


def read_jsonl(source: Source, filesystem: Any, path: str) -> Iterator[RawBatch]:
    """Yield the objects of a file in bounded batches; a line that is no object is set aside.

    Raises:
        SourceError: The encoding does not fit.
    """
    names = sorted(set(source.columns.values()))
    objects: list[dict[str, Any]] = []
    texts: list[str] = []
    lines: list[int] = []
    rejects: list[Reject] = []

    def batch() -> RawBatch:
        columns = {name: text_array([_value(item, name) for item in objects]) for name in names}
        return RawBatch(columns, list(lines), path, text_array(texts), list(rejects))

    with open_text(filesystem, path, source.encoding, source.name, newline="\n") as text:
        for line, content in enumerate(text, 1):
            stripped = content.strip()
            if line <= source.skip_rows or not stripped:
                continue
            try:
                item = orjson.loads(stripped)
            except orjson.JSONDecodeError as error:
                rejects.append(Reject(line, stripped, f"not JSON: {error.msg}"))
            else:
                if isinstance(item, dict):
                    objects.append(item)
                    texts.append(stripped)
                    lines.append(line)
                else:
                    rejects.append(Reject(line, stripped, "not a JSON object"))
            if len(objects) + len(rejects) >= BATCH_ROWS:
                yield batch()
                objects, texts, lines, rejects = [], [], [], []
    if objects or rejects:
        yield batch()


def _value(item: dict[str, Any], name: str) -> object:
    if name in item:
        return item[name]
    value: object = item
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
