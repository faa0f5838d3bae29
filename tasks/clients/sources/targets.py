"""Which of our columns a source may fill, by what it is loaded into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rules.models import Field

Into = Literal["leads", "events", "deals", "consents", "suppressions"]

_COLUMNS: dict[Into, tuple[str, ...]] = {
    "leads": (
        "email", "external_id", "visitor", "occurred_at", "created_at",
        "consent_basis", "consent_evidence", "consent_mail_kind",
    ),
    "events": ("event_id", "event_type", "occurred_at", "email", "external_id", "visitor", "url", "asset", "send_id"),
    "deals": ("deal_id", "external_id", "email", "status", "amount", "occurred_at"),
    "consents": ("email", "external_id", "basis", "evidence", "mail_kind", "is_granted", "occurred_at"),
    "suppressions": ("email", "external_id", "blocks", "reason", "occurred_at"),
}  # fmt: skip

_REQUIRED: dict[Into, tuple[tuple[str, ...], ...]] = {
    "leads": (("email", "external_id"),),
    "events": (("event_type",), ("occurred_at",), ("email", "external_id", "visitor", "send_id")),
    "deals": (("deal_id",), ("status",), ("occurred_at",), ("email", "external_id")),
    "consents": (("basis",), ("occurred_at",), ("email", "external_id")),
    "suppressions": (("email", "external_id"),),
}
"""Of each group at least one column (or constant) has to be given."""

_PREFIXES: dict[Into, str] = {"events": "properties.", "deals": "attributes."}
_ALIASES = {"type": "event_type"}

STAGE_NAMES = {"consent_basis": "basis", "consent_evidence": "evidence", "consent_mail_kind": "mail_kind"}
"""Where a target stands in the staged rows under another name."""


def canonical_target(target: str, into: Into) -> str:
    """Return the one name of a target: in events, ``type`` is ``event_type``."""
    return _ALIASES.get(target, target) if into == "events" else target


def known_targets(into: Into, fields: Iterable[Field]) -> tuple[str, ...]:
    """Return every plain target of a kind of fact; for leads, with the rule set's fields that may be imported."""
    own = _COLUMNS[into]
    if into != "leads":
        return own
    return own + tuple(field.id for field in fields if not field.system and field.id not in own)


def is_known_target(target: str, into: Into, fields: Iterable[Field]) -> bool:
    """Whether a canonical target exists, ``properties.<name>`` and ``attributes.<name>`` included."""
    return target in known_targets(into, fields) or (into != "leads" and attribute_name(target, into) is not None)


def attribute_name(target: str, into: Into) -> str | None:
    """Return the name under which a target goes into the map of attributes or properties; None for a column."""
    prefix = _PREFIXES.get(into)
    if prefix is not None:
        name = target.removeprefix(prefix)
        return name if target.startswith(prefix) and name else None
    return target if into == "leads" and target not in _COLUMNS["leads"] else None


def target_pattern(into: Into) -> str:
    """Return how a free target is written, for messages; empty where there is none."""
    return f"{_PREFIXES[into]}<name>" if into in _PREFIXES else ""


def missing_targets(into: Into, given: Iterable[str]) -> list[tuple[str, ...]]:
    """Return each group of targets of which one is needed and none is given."""
    targets = set(given)
    return [group for group in _REQUIRED[into] if not targets.intersection(group)]
