"""Checks ``sfa.yaml``: which leads and fields stand here and in the SFA, and whose value wins."""

from __future__ import annotations

import re

from rules.documents import Document
from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import Field, SfaSync
from rules.names import Names

OURS = ("lead_id", "email", "score", "tier", "stage", "last_action_at", "top_reasons", "owner", "merged_into")
"""What the engine writes by itself, or reads by itself."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


def check_sfa(
    document: Document[SfaSync] | None,
    fields: tuple[Field, ...] | None,
    segments: Names | None,
    problems: list[Problem],
) -> SfaSync:
    """Return what is synced, after reporting what is wrong. Without a file: everybody, and the standard fields."""
    known = {field.id: field for field in fields or () if not field.system}
    if document is None:
        return SfaSync(fields=tuple(synced for synced in SfaSync().fields if fields is None or synced.field in known))
    value, spot = document.value, document.spot(problems)
    names: dict[str, int] = {}
    for at, synced in enumerate(value.fields):
        here = spot.at("fields", at)
        if synced.field in OURS:
            here.at("field").fault(
                "the engine syncs this itself", received=shown(synced.field), hint="remove it from the list"
            )
        elif fields is not None and synced.field not in known:
            here.at("field").fault(
                "there is no field of this name", received=shown(synced.field), allowed=listed(known),
                hint=did_you_mean(synced.field, known) or "add it to fields.yaml",
            )  # fmt: skip
        if synced.name is not None and _NAME.fullmatch(synced.name) is None:
            here.at("name").fault(
                "no SFA has a field of such a name", received=shown(synced.name),
                allowed="letters, digits and _, such as Industry or Region__c",
            )  # fmt: skip
        for what in {synced.field, (synced.name or synced.field)}:
            if names.setdefault(what.lower(), at) != at:
                here.fault(
                    "two entries are one field",
                    received=shown(what),
                    hint=f"it stands in entry {names[what.lower()] + 1}",
                )
    segment = segments.resolve(value.segment, spot.at("segment")) if segments is not None else None
    return value.model_copy(update={"segment": segment or value.segment})
