"""The sales team: takes the leads it is handed, calls most of them in time, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from sandbox.chance import generator, pick
from sandbox.clock import iso
from sandbox.crm import put_deals

REJECT_REASONS = (("時期尚早", 4.0), ("予算なし", 3.0), ("対象外", 2.0), ("連絡がつかない", 1.0))
_LATE_SHARE = 0.15
_OPEN = "select * from handoffs where status in ('new', 'contacted', 'meeting') order by handoff_id"
_MOVE = """
update handoffs set status = :status, first_contact_at = :first_contact_at, outcome = :outcome,
    reject_reason = :reject_reason, updated_at = :updated_at
where handoff_id = :handoff_id
"""


@dataclass(frozen=True, slots=True)
class _Step:
    """One stand of a handoff, and since when."""

    at: datetime
    status: str


class SalesTeam:
    """Works the handoffs that the engine writes into the SFA's table `handoffs`.

    What becomes of a handoff is decided by its id and the seed alone, so any sequence of steps ends alike.

    Args:
        url_or_path: The SFA: a SQLAlchemy URL, or the path of a SQLite file.
        seed: The seed of all chance.
        crm: The CRM's SQLite file, whose table `deals` is kept; None keeps no deals.
        contact_of: Tells the CRM's contact id of an engine's lead_id, or None; without it no deals are kept.
    """

    def __init__(
        self,
        url_or_path: str | Path,
        seed: int = 0,
        crm: Path | None = None,
        contact_of: Callable[[str], int | None] | None = None,
    ) -> None:
        is_url = isinstance(url_or_path, str) and "://" in url_or_path
        self._url = make_url(str(url_or_path) if is_url else f"sqlite:///{url_or_path}")
        self._seed = seed
        self._crm = crm
        self._contact_of = contact_of or (lambda lead_id: None)

    def advance(self, until: datetime) -> int:
        """Brings every open handoff to where it stands at an instant.

        Args:
            until: The instant, with an offset.

        Returns:
            How many handoffs moved on; none where the table is not there yet.
        """
        engine = create_engine(self._url)
        try:
            if not inspect(engine).has_table("handoffs"):
                return 0
            with engine.begin() as connection:
                rows = [dict(row) for row in connection.execute(text(_OPEN)).mappings()]
                moves = [move for row in rows if (move := self._move(row, until)) is not None]
                if moves:
                    connection.execute(text(_MOVE), moves)
        finally:
            engine.dispose()
        self._keep_deals({row["handoff_id"]: row["lead_id"] for row in rows}, moves)
        return len(moves)

    def _move(self, row: dict[str, Any], until: datetime) -> dict[str, Any] | None:
        steps = [step for step in self._story(row) if step.at <= until]
        if not steps or steps[-1].status == row["status"]:
            return None
        now = steps[-1]
        rng = generator(self._seed, "reason", row["handoff_id"])
        return {
            "handoff_id": row["handoff_id"],
            "status": now.status,
            # What was written before stays, though the story would tell it anew.
            "first_contact_at": row["first_contact_at"] or iso(steps[0].at),
            "outcome": None if now.status == "contacted" else now.status,
            "reject_reason": pick(rng, REJECT_REASONS) if now.status == "returned" else None,
            "updated_at": iso(now.at),
        }

    def _story(self, row: dict[str, Any]) -> list[_Step]:
        """Tells the whole course of a handoff from its first contact."""
        rng = generator(self._seed, "handoff", row["handoff_id"])
        caused = _instant(row["caused_at"])
        is_late = rng.random() < _LATE_SHARE
        hours = rng.uniform(50, 96) if is_late else min(44.0, 1 + rng.expovariate(1 / 14))
        # Nobody calls before the lead is on the desk.
        contacted = max(caused + timedelta(hours=hours), _instant(row["handed_off_at"]) + timedelta(minutes=15))
        steps = [_Step(contacted, "contacted")]
        after = pick(rng, (("meeting", 45.0), ("returned", 22.0), ("contacted", 33.0)))
        if after == "contacted":
            return steps
        steps.append(_Step(contacted + timedelta(days=rng.uniform(0.5, 6)), after))
        end = pick(rng, (("won", 30.0), ("lost", 35.0), ("meeting", 35.0)))
        if after == "meeting" and end != "meeting":
            steps.append(_Step(steps[-1].at + timedelta(days=rng.uniform(3, 21)), end))
        return steps

    def _keep_deals(self, lead_ids: dict[str, str], moves: list[dict[str, Any]]) -> None:
        deals: list[tuple[str, int, str, int, str]] = []
        for move in moves:
            contact_id = self._contact_of(lead_ids[move["handoff_id"]])
            status = {"meeting": "open", "won": "won", "lost": "lost"}.get(move["status"])
            if contact_id is not None and status is not None:
                amount = generator(self._seed, "amount", move["handoff_id"]).randrange(30, 900) * 10_000
                deals.append((f"D-{move['handoff_id']}", contact_id, status, amount, move["updated_at"]))
        if self._crm is not None and deals:
            put_deals(self._crm, deals)


def _instant(stamp: Any) -> datetime:
    instant = stamp if isinstance(stamp, datetime) else datetime.fromisoformat(stamp)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
