"""Which format a file has, and the columns that a format of events brings by itself."""

from __future__ import annotations

from pathlib import PurePosixPath

from tasks.clients.sources.models import FileFormat

SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".xlsx": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".log": "access_log",
}
"""What a format is taken to be where ``format`` does not say."""

_COMPRESSED = {".gz", ".bz2", ".xz"}

EVENT_FORMATS: dict[FileFormat | None, dict[str, str]] = {
    "access_log": {
        "event_type": "event_type",
        "occurred_at": "occurred_at",
        "visitor": "visitor",
        "url": "url",
        "properties.method": "method",
        "properties.status": "status",
        "properties.referrer": "referrer",
        "properties.user_agent": "user_agent",
    },
    "sendgrid_events": {
        "event_id": "event_id",
        "event_type": "event_type",
        "occurred_at": "occurred_at",
        "email": "email",
        "url": "url",
        "send_id": "send_id",
        "properties.sg_machine_open": "sg_machine_open",
        "properties.useragent": "useragent",
        "properties.reason": "reason",
        "properties.type": "type",
        "properties.status": "status",
        "properties.sg_message_id": "sg_message_id",
        "properties.smtp-id": "smtp-id",
        "properties.asm_group_id": "asm_group_id",
    },
}


def format_of(path: str, given: FileFormat | None) -> FileFormat | None:
    """Return a file's format: as given, else by the suffix before any compression's; None where it cannot be told."""
    if given is not None:
        return given
    suffixes = [suffix for suffix in PurePosixPath(path).suffixes if suffix not in _COMPRESSED]
    return SUFFIXES.get(suffixes[-1].lower()) if suffixes else None
