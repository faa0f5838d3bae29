"""Checks one entry of sources.yaml: every fault is a problem with its line, what came and what is allowed."""

from __future__ import annotations

import re

from pydantic import SecretStr

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import Field
from tasks.clients.sources import option_checks
from tasks.clients.sources.expansion import expanded
from tasks.clients.sources.formats import EVENT_FORMATS, format_of
from tasks.clients.sources.models import ConsentConstant, Source, SourceEntry, SourcesFile
from tasks.clients.sources.targets import (
    canonical_target,
    is_known_target,
    known_targets,
    missing_targets,
    target_pattern,
)

SERVED_KINDS = ("sql", "file")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def checked_source(
    entry: SourceEntry,
    position: int,
    document: Document[SourcesFile],
    fields: tuple[Field, ...],
    problems: list[Problem],
) -> Source | None:
    """Return the source, or None where its entry has a fault, which is then among ``problems``."""
    before = len(problems)
    spot = document.spot(problems, "sources", position)
    if entry.kind not in SERVED_KINDS:
        spot.at("kind").fault(
            f"the kind '{entry.kind}' is not served by this version; served: {', '.join(SERVED_KINDS)}",
            hint="remove the source, or read the same data by one of these kinds",
        )
        return None
    if not _NAME.fullmatch(entry.name):
        spot.at("name").fault(
            "a source's name is a lower-case word", received=shown(entry.name), allowed="a-z, 0-9, _, -"
        )
    url = expanded(entry.url or "", lambda fault, hint: spot.at("url").fault(fault, hint=hint))
    path = expanded(entry.path or "", lambda fault, hint: spot.at("path").fault(fault, hint=hint))
    file_format = format_of(entry.path or "", entry.format) if entry.kind == "file" else None
    option_checks.check_options(entry, url, file_format, spot)
    columns = _columns(entry, fields, spot)
    constants = _constants(entry, columns, fields, spot)
    if file_format in EVENT_FORMATS:
        # these formats bring their own columns; what is given beside them wins
        brought_columns = set(EVENT_FORMATS[file_format].values())
        brought = {target: column for target, column in EVENT_FORMATS[file_format].items() if target not in constants}
        columns = brought | columns
        if entry.into != "events":
            spot.at("into").fault(f"{file_format} holds events", received=f"'{entry.into}'", allowed="events")
        for target, column in columns.items():
            if column not in brought_columns:
                spot.at("columns", target).fault(
                    f"{file_format} has no column '{column}'", allowed=listed(sorted(brought_columns))
                )
    for target in entry.values:
        if canonical_target(target, entry.into) not in columns:
            spot.at("values", target).fault(f"values are given for '{target}', which 'columns' does not map")
    given = set(columns) | set(constants) | ({"occurred_at"} if entry.cursor else set())
    for group in missing_targets(entry.into, given):
        spot.at("columns" if entry.columns else "into").fault(
            f"{entry.into} need {' or '.join(group)}",
            hint="map it under 'columns', or give it under 'constants'",
        )
    if len(problems) > before:
        return None
    return Source(
        name=entry.name,
        kind="sql" if entry.kind == "sql" else "file",
        into=entry.into,
        url=SecretStr(url),
        query=entry.query or "",
        cursor=entry.cursor,
        start=entry.start,
        path=SecretStr(path),
        format=file_format,
        encoding=entry.encoding,
        header=entry.names is None if entry.header is None else entry.header,
        names=entry.names,
        skip_rows=entry.skip_rows,
        sheet=entry.sheet,
        timezone=entry.timezone,
        date_format=entry.date_format,
        lookback=option_checks.lookback_of(entry),
        id_space=entry.id_space or entry.name,
        columns=columns,
        constants=constants,
        values={canonical_target(target, entry.into): mapping for target, mapping in entry.values.items()},
        fields=tuple(field for field in fields if not field.system),
    )


def _columns(entry: SourceEntry, fields: tuple[Field, ...], spot: Spot) -> dict[str, str]:
    columns: dict[str, str] = {}
    for given, column in entry.columns.items():
        target = _checked_target(entry, "columns", given, fields, spot)
        if target in columns:
            spot.at("columns", given).fault(f"'{target}' is mapped twice")
        if not column:
            spot.at("columns", given).fault(f"no column is named for '{given}'")
        columns[target] = column
    return columns


def _constants(entry: SourceEntry, columns: dict[str, str], fields: tuple[Field, ...], spot: Spot) -> dict[str, str]:
    constants: dict[str, str] = {}
    for given, value in entry.constants.items():
        if isinstance(value, ConsentConstant) or (given == "consent" and entry.into == "leads"):
            constants |= _consent(entry, given, value, spot.at("constants", given))
            continue
        target = _checked_target(entry, "constants", given, fields, spot)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        constants[target] = text
        option_checks.check_constant(target, text, spot.at("constants", given))
    for target in columns.keys() & constants.keys():
        spot.at("constants").fault(f"'{target}' is given as a column and as a constant", hint="keep one of the two")
    return constants


def _consent(entry: SourceEntry, given: str, value: object, spot: Spot) -> dict[str, str]:
    if entry.into != "leads" or given != "consent":
        spot.fault("only leads take a consent, under 'consent'", allowed="a plain value")
    elif not isinstance(value, ConsentConstant):
        spot.fault("a consent is a mapping", received=shown(value), allowed="{basis: …, evidence: …}")
    else:
        option_checks.check_constant("consent_basis", value.basis, spot.at("basis"))
        option_checks.check_constant("consent_mail_kind", value.mail_kind, spot.at("mail_kind"))
        return {
            "consent_basis": value.basis,
            "consent_evidence": value.evidence,
            "consent_mail_kind": value.mail_kind,
        }
    return {}


def _checked_target(entry: SourceEntry, under: str, given: str, fields: tuple[Field, ...], spot: Spot) -> str:
    target = canonical_target(given, entry.into)
    if not is_known_target(target, entry.into, fields):
        known = known_targets(entry.into, fields)
        is_system = any(field.id == given and field.system for field in fields)
        spot.at(under, given).fault(
            f"{entry.into} have no column '{given}'",
            allowed=listed([*known, *filter(None, [target_pattern(entry.into)])], limit=40),
            hint="it is kept by the engine" if is_system else did_you_mean(given, known),
        )
    return target
