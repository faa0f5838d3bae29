"""What the pages for sales show of handoffs: cards that the flows put into the inbox's database.

The web face knows neither warehouse nor ledger. The flows replace all cards at once: a page never shows half of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
import sqlalchemy as sa

from intake.inbox import metadata

KEPT_AFTER_END = timedelta(days=30)
"""How long the page of a handoff that has ended can be opened, so that a slip can be corrected."""
_PHONE = re.compile(r"\+?\(?[0-9][-0-9 ().・ー\u2010-\u2015\u2212]*")
_DIGITS_OF_PHONES = range(8, 16)  # no number has more (ITU-T E.164), and a Japanese one without its area has eight
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")

_cards = sa.Table(
    "handoff_cards",
    metadata,
    sa.Column("handoff_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(100), nullable=False, index=True),
    sa.Column("card", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Card:
    """One handoff: who it is about, where it stands, and what is worth knowing."""

    handoff_id: str
    owner: str
    owner_name: str
    who: str
    cause: str
    due_at: datetime
    status: str
    is_called: bool
    status_changed_at: datetime | None = None
    reject_reason: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    phone: str | None = None
    email: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether sales owes nothing more."""
        return self.status in {"won", "lost", "returned"}

    @property
    def corrected_until(self) -> datetime | None:
        """Until when the page of one that has ended can be opened."""
        return self.status_changed_at + KEPT_AFTER_END if self.is_ended and self.status_changed_at else None

    @property
    def call_link(self) -> str | None:
        """What makes a phone dial (RFC 3966); None where what is known is no number."""
        for found in _PHONE.findall(unicodedata.normalize("NFKC", self.phone or "")):
            plus = "+" if found.startswith("+") else ""
            # the zero of +81 (0)3 is dialled at home only
            digits = re.sub("[^0-9]", "", found.replace("(0)", "") if plus else found)
            if len(digits) in _DIGITS_OF_PHONES:
                return f"tel:{plus}{digits}"
        return None

    @property
    def mail_link(self) -> str | None:
        """What begins a mail (RFC 6068): the address and no field beside it; None where it is none."""
        return f"mailto:{quote(self.email, safe='@+')}" if _MAIL.fullmatch(self.email or "") and self.email else None


def put_cards(engine: sa.Engine, cards: Sequence[Card]) -> None:
    """Replace all cards by these, at once."""
    rows = [
        {"handoff_id": card.handoff_id, "owner": card.owner, "card": orjson.dumps(asdict(card)).decode()}
        for card in cards
    ]
    with engine.begin() as connection:
        connection.execute(sa.delete(_cards))
        if rows:
            connection.execute(sa.insert(_cards), rows)


def read_card(engine: sa.Engine, handoff_id: str) -> Card | None:
    """The card of one handoff; None where there is none any more."""
    with engine.connect() as connection:
        text = connection.execute(sa.select(_cards.c.card).where(_cards.c.handoff_id == handoff_id)).scalar()
    return _card(text) if text is not None else None


def read_cards(engine: sa.Engine, owner: str | None) -> list[Card]:
    """The cards of an owner, or of all; the earliest limit first."""
    query = sa.select(_cards.c.card)
    if owner is not None:
        query = query.where(_cards.c.owner == owner)
    with engine.connect() as connection:
        cards = [_card(text) for text in connection.scalars(query)]
    return sorted(cards, key=lambda card: (card.due_at, card.handoff_id))


def _card(text: str) -> Card:
    """A card as any version of the flows put it: what that one did not tell is not known, what is not known is left."""
    told: dict[str, Any] = orjson.loads(text)
    for name in ("due_at", "status_changed_at"):
        told[name] = datetime.fromisoformat(told[name]) if told.get(name) else None
    told["facts"] = tuple((label, value) for label, value in told.get("facts", ()))
    told["sections"] = tuple((title, tuple(lines)) for title, lines in told.get("sections", ()))
    return Card(**{field.name: told[field.name] for field in fields(Card) if field.name in told})
