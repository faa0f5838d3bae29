"""What the pages for sales show of handoffs: cards that the flows put into the inbox's database.

The web face knows neither warehouse nor ledger. The flows replace all cards at once: a page never shows half of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from intake.inbox import metadata

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

    @property
    def is_ended(self) -> bool:
        """Whether sales owes nothing more."""
        return self.status in {"won", "lost", "returned"}


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
    told: dict[str, Any] = orjson.loads(text)
    for name in ("due_at", "status_changed_at"):
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    told["facts"] = tuple((label, value) for label, value in told["facts"])
    told["sections"] = tuple((title, tuple(lines)) for title, lines in told["sections"])
    return Card(**told)
