"""What stands in sources.yaml, and what becomes of it once it is checked: frozen sources that readers can rely on."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pydantic
from pydantic import SecretStr

from rules.models import Field, Frozen
from tasks.clients.sources.targets import Into

OPT_OUT_EVENTS = frozenset({"mail_unsubscribe", "mail_spam_report"})

FileFormat = Literal["csv", "tsv", "xlsx", "jsonl", "parquet", "access_log", "sendgrid_events"]


class ConsentConstant(Frozen):
    """On which basis every lead of a source may be mailed, and where that is on record."""

    basis: str
    evidence: str
    mail_kind: str = "marketing"


class SourceEntry(Frozen):
    """One source as its author wrote it."""

    name: str
    kind: Literal["sql", "file", "http", "inbox", "sendgrid", "sfa"]
    into: Into
    url: str | None = None
    query: str | None = None
    cursor: str | None = None
    start: int | str | None = None
    path: str | None = None
    format: FileFormat | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    names: tuple[str, ...] | None = None
    skip_rows: int = pydantic.Field(0, ge=0)
    sheet: str | None = None
    timezone: str | None = None
    date_format: str | None = None
    lookback: int | str | None = None
    id_space: str | None = None
    columns: dict[str, str] = pydantic.Field(default_factory=dict)
    constants: dict[str, str | int | float | bool | ConsentConstant] = pydantic.Field(default_factory=dict)
    values: dict[str, dict[str, str]] = pydantic.Field(default_factory=dict)


class SourcesFile(Frozen):
    """``sources.yaml``: where behaviour is pulled from."""

    sources: tuple[SourceEntry, ...]


class Source(Frozen):
    """One source, checked. ``columns``, ``constants`` and ``values`` are keyed by canonical targets."""

    name: str
    kind: Literal["sql", "file"]
    into: Into
    url: SecretStr
    query: str
    cursor: str | None
    start: int | str | None
    path: SecretStr
    format: FileFormat | None
    encoding: str
    header: bool
    names: tuple[str, ...] | None
    skip_rows: int
    sheet: str | None
    timezone: str | None
    """Of stamps without an offset; None is the business time zone."""
    date_format: str | None
    lookback: timedelta | int | None
    """None: the reader's default."""
    id_space: str
    columns: dict[str, str]
    constants: dict[str, str]
    values: dict[str, dict[str, str]]
    fields: tuple[Field, ...] = pydantic.Field(repr=False)

    @property
    def feeds_consent(self) -> bool:
        """Whether what may be mailed hangs on this source: stale, it may be missing an opt-out or a consent."""
        if self.into in {"consents", "suppressions"} or self.format == "sendgrid_events":
            return True
        if "consent_basis" in self.columns.keys() | self.constants.keys():
            return True
        if self.into != "events":
            return False
        # events about mails may be opt-outs and complaints, unless what the source brings is fixed and is neither
        told = {self.constants["event_type"]} if "event_type" in self.constants else set()
        told |= set(self.values.get("event_type", {}).values())
        return bool(told & OPT_OUT_EVENTS) or ("send_id" in self.columns and not told)

    @property
    def stamp_column(self) -> str | None:
        """The source's column that tells when a row happened; None where the pull's instant has to do."""
        return self.columns.get("occurred_at") or self.cursor
