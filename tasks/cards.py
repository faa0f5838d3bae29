"""Puts what sales' pages show of handoffs where the web face can read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from intake.cards import KEPT_AFTER_END, Card, put_cards
from intake.inbox import connect_inbox
from rules.models import RuleSet
from settings import Settings
from tasks.brief import cause_label, make_brief
from tasks.errors import RunError
from tasks.mail import one_line
from warehouse.connection import open_ledger
from warehouse.follow_ups import open_handoffs


def show_handoffs(settings: Settings, rules: RuleSet, as_of: datetime) -> int:
    """Bring the pages of open handoffs up to date. Returns how many are open.

    Raises:
        RunError: The inbox's database cannot be used; the pages show what they did.
    """
    with open_ledger(settings, with_warehouse=True) as ledger:
        rows = open_handoffs(ledger, as_of, KEPT_AFTER_END)
    names = {owner.id: owner.name for owner in rules.handoff.owners}
    cards = [_card(row, rules, settings, names) for row in rows]
    try:
        engine = connect_inbox(settings.inbox)
        try:
            put_cards(engine, cards)
        finally:
            engine.dispose()
    except sa.exc.SQLAlchemyError as error:
        raise RunError(
            f"the pages of handoffs could not be brought up to date ({type(error).__name__}); "
            "check NURTURE_INBOX_URL and that the database is up"
        ) from None
    return sum(not card.is_ended for card in cards)


def _card(row: Mapping[str, Any], rules: RuleSet, settings: Settings, names: Mapping[str, str]) -> Card:
    brief = make_brief(row, rules, settings.zone)
    return Card(
        handoff_id=row["id"],
        owner=row["owner"],
        owner_name=names.get(row["owner"], row["owner"]),
        who=one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "新しいリード",
        cause=cause_label(rules, row["cause"]),
        due_at=row["due_at"],
        status=row["status"],
        is_called=row["first_contact_at"] is not None or row["status"] in {"contacted", "meeting", "won", "lost"},
        status_changed_at=row["status_changed_at"],
        reject_reason=row["reject_reason"],
        facts=brief.facts,
        sections=brief.sections,
        phone=_text(row.get("phone")),
        email=_text(row.get("email")),
    )


def _text(value: object) -> str | None:
    return one_line(str(value)).strip() or None if value is not None else None
