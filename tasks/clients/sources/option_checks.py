"""Checks the options of a source, each for itself: what its kind needs, and what a value may be."""

from __future__ import annotations

import codecs
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import duckdb
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.models import MAIL_KINDS
from tasks.clients.sources.durations import parse_duration
from tasks.clients.sources.formats import SUFFIXES
from tasks.clients.sources.models import FileFormat, SourceEntry

BASES = ("opt_in_form", "business_card", "existing_dealings", "published_address")
"""What consent to mail may rest on."""

MAIL_WORDS = (*MAIL_KINDS, "marketing")
"""What somebody may agree to: a kind of mail, or all of them."""

_ALLOWED = {
    "consent_basis": BASES,
    "basis": BASES,
    "consent_mail_kind": MAIL_WORDS,
    "mail_kind": MAIL_WORDS,
    "status": ("open", "won", "lost"),
    "blocks": (*MAIL_WORDS, "all"),
}
_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_SINCE = re.compile(r"(?<![:\w\\]):since\b")
_OF_KIND = {
    "sql": ("url", "query", "cursor", "start", "lookback"),
    "file": ("path", "format", "header", "names", "skip_rows", "sheet"),
}


def check_options(entry: SourceEntry, url: str, file_format: FileFormat | None, spot: Spot) -> None:
    """Report every option that is missing, misplaced or not a value of its kind."""
    other = "file" if entry.kind == "sql" else "sql"
    for key in _OF_KIND[other]:
        if key in entry.model_fields_set and not (key == "lookback" and entry.kind == "file"):
            spot.at(key).fault(f"'{key}' belongs to the kind '{other}'", hint="remove it, or change the kind")
    if entry.kind == "sql":
        _check_sql(entry, url, spot)
    else:
        _check_file(entry, file_format, spot)
    _check_shared(entry, spot)


def _check_sql(entry: SourceEntry, url: str, spot: Spot) -> None:
    if not entry.url:
        spot.at("kind").fault("'url' is missing", hint="add 'url: ${SOMETHING_URL}', an SQLAlchemy URL")
    elif url:
        try:
            make_url(url)
        except (ArgumentError, ValueError):
            example = "postgresql://user:password@host/database or sqlite:////path/file.db"
            spot.at("url").fault("the URL is not one that SQLAlchemy reads", allowed=example)
    if not entry.query:
        spot.at("kind").fault("'query' is missing", hint="add 'query: select … from … where … >= :since'")
    has_since = bool(_SINCE.search(entry.query or ""))
    if entry.cursor and entry.query and not has_since:
        spot.at("query").fault("the query does not use :since", hint=f"add 'where {entry.cursor} >= :since'")
    if has_since and not entry.cursor:
        spot.at("query").fault("the query uses :since without a cursor", hint="add 'cursor: <the column compared>'")
    if entry.lookback is not None and lookback_of(entry) is None:
        spot.at("lookback").fault("not a span of time", received=shown(entry.lookback), allowed="10m, 2h, 1d")
    if isinstance(entry.lookback, int) and not isinstance(entry.start, int):
        spot.at("lookback").fault(
            "a plain number looks back over numbers, but the cursor is a stamp",
            allowed="10m, 2h, 1d; or a number beside a numeric 'start'",
        )


def _check_file(entry: SourceEntry, file_format: FileFormat | None, spot: Spot) -> None:
    if not entry.path:
        spot.at("kind").fault("'path' is missing", hint="add 'path: /folder/*.csv'")
    elif file_format is None:
        spot.at("path").fault(
            "the format cannot be told from the path",
            allowed=listed(SUFFIXES),
            hint="add 'format: …'; known: csv, tsv, xlsx, jsonl, parquet, access_log, sendgrid_events",
        )
    if entry.header is False and entry.names is None:
        spot.at("header").fault("a file without a header needs names", hint="add 'names: [first, second, …]'")
    if entry.names is not None and len(set(entry.names)) < len(entry.names):
        spot.at("names").fault("a name stands twice among the names")
    try:
        codecs.lookup(entry.encoding)
    except LookupError:
        known = ("utf-8", "utf-8-sig", "utf-16", "cp932", "euc_jp", "iso2022_jp")
        spot.at("encoding").fault(
            "an unknown encoding",
            received=shown(entry.encoding),
            allowed=listed(known),
            hint=did_you_mean(entry.encoding, known),
        )


def _check_shared(entry: SourceEntry, spot: Spot) -> None:
    if entry.timezone is not None:
        try:
            ZoneInfo(entry.timezone)
        except (KeyError, ValueError, OSError):
            spot.at("timezone").fault("an unknown time zone", received=shown(entry.timezone), allowed="Asia/Tokyo, …")
    if entry.date_format is not None and entry.date_format not in {"epoch", "epoch_ms"}:
        try:
            duckdb.execute("select try_strptime('', ?)", [entry.date_format])
        except duckdb.Error:
            spot.at("date_format").fault(
                "not a format of stamps",
                received=shown(entry.date_format),
                allowed="such as '%d/%m/%Y %H:%M', epoch (seconds) or epoch_ms",
            )


def lookback_of(entry: SourceEntry) -> timedelta | int | None:
    """Return how far before the watermark to read again; None where none is given, or no span."""
    return parse_duration(entry.lookback) if isinstance(entry.lookback, str) else entry.lookback


def check_constant(target: str, value: str, spot: Spot) -> None:
    """Report a constant that no row of its target could hold."""
    allowed = _ALLOWED.get(target)
    if allowed is not None and value not in allowed:
        spot.fault(
            f"no {target.replace('_', ' ')} is called so",
            received=shown(value),
            allowed=listed(allowed),
            hint=did_you_mean(value, allowed),
        )
    if target == "event_type" and not _EVENT_TYPE.fullmatch(value):
        spot.fault("an event type is a lower-case name", received=shown(value), allowed="such as page_view")
