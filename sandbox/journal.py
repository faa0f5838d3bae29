"""Append-only files of JSON lines, which are the sandbox's only memory that survives a kill."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """A file to which whole batches of lines are appended.

    A batch is one write to a file opened for appending, so several writers never mix their lines.

    Args:
        path: The file; its folder is made.
        is_durable: Whether a batch is on the disk (fsync) before `append` returns.
    """

    def __init__(self, path: Path, *, is_durable: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._is_durable = is_durable

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends one JSON object a line; no rows, no file."""
        batch = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        if not batch:
            return
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # The kernel may take a part only (a full disk, a signal): the rest must follow or the line is torn.
            while batch:
                batch = batch[os.write(file, batch) :]
            if self._is_durable:
                os.fsync(file)
        finally:
            os.close(file)

    def rows(self) -> list[dict[str, Any]]:
        """Reads every line back; a file not yet there has none."""
        if not self.path.exists():
            return []
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]
