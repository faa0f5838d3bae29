"""A made past for reviews: published tables and a score history of which it is known what is true."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from rules.loader import load_rules
from settings import Settings
from tests.company import REPOSITORY
from warehouse.connection import open_warehouse
from warehouse.publish import publish
from warehouse.recompute import recompute

END = datetime(2026, 5, 31, 15, tzinfo=UTC)
"""The end of a week and of a month in Tokyo."""
AS_OF = END + timedelta(hours=17)
STEPS = ("warm_cases", "warm_checklist", "warm_comparison", "warm_seminar")


@dataclass
class Truth:
    """What is planted; by default nothing is.

    Attributes:
        lift: How many times as often leads with ``price_page_view`` become deals; those with ``document_download`` do
            as often as anybody.
        idle_calls: Leads that reach 50 points and never 65, none of which becomes a deal.
        tiring: By how much finance's open rate falls over eight weeks.
        leak: The share of readers that ``warm_seminar`` loses; the other steps lose 0.3 %.
        returned: Of the handoffs of information_technology, the share that sales gives back as not_a_target.
        opens_last_week: The open rate of the week reviewed; of the others 0.3.
    """

    lift: float = 1.0
    idle_calls: int = 0
    tiring: float = 0.0
    leak: float = 0.003
    returned: float = 0.05
    opens_last_week: float = 0.3


@dataclass
class History:
    """A home with a made past."""

    settings: Settings
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def made_history(home: Path, truth: Truth, seed: int = 1, rule_set: str = "guide") -> Settings:
    """A home whose files hold the past of some thousand leads."""
    home.mkdir(parents=True, exist_ok=True)
    folder = home / "rules"
    shutil.copytree(REPOSITORY / "rules" / rule_set, folder)
    settings = Settings(home=home, rules=folder, sendgrid_api_key="SG.test", secret_key="secret of the tests")
    with open_warehouse(settings) as connection:
        recompute(connection, load_rules(folder), AS_OF, settings.public_url)
    publish(settings, AS_OF)
    chance = np.random.default_rng(seed)
    made = _Past(chance, truth)
    with open_warehouse(settings) as connection:
        _insert(connection, "lead_score_changes", made.score_changes())
    with duckdb.connect(str(settings.published)) as connection:
        for name, rows in made.published().items():
            _insert(connection, name, rows)
    return settings


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    connection.register("made", pa.Table.from_pylist(rows))
    connection.execute(f"insert into {table} by name from made")
    connection.unregister("made")


def before(days: float) -> datetime:
    """So many days before the end of the period."""
    return END - timedelta(days=float(days))


class _Past:
    def __init__(self, chance: np.random.Generator, truth: Truth) -> None:
        self.chance, self.truth = chance, truth
        self.deals: list[dict[str, Any]] = []
        self.points: list[dict[str, Any]] = []
        self.leads: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self._earn()
        self._call()

    def _lead(self, name: str, score: int = 0) -> None:
        self.leads.append({"lead_id": name, "created_at": before(300), "score": score, "tier": "cold"})

    def _deal(self, lead: str, days: float) -> None:
        self.deals.append(
            {"source": "crm", "deal_id": f"D{lead}", "lead_id": lead, "status": "open", "created_at": before(days),
             "changed_at": before(days)}
        )  # fmt: skip

    def _earn(self) -> None:
        """Points each month for whoever has the habit, and deals at a steady rate."""
        for number in range(4_000):
            name = f"L{number}"
            looks, _ = self._habits(name)
            rate = 0.0006 * (self.truth.lift if looks else 1.0)
            deal = 200 - self.chance.exponential(1 / rate)
            self._lead(name, 60 if looks else 10)
            if deal > 0:
                self._deal(name, deal)

    def _habits(self, name: str) -> tuple[bool, bool]:
        """Whether a lead looks at prices, and whether it downloads: each month anew, and apart from one another."""
        looks, downloads = self.chance.random(2) < (0.3, 0.5)
        for rule, has in (("price_page_view", looks), ("document_download", downloads)):
            for month in range(10) if has else ():
                days = 300 - 30 * month - self.chance.random() * 30
                points = {"price_page_view": 15, "document_download": 10}[rule]
                self.points.append(
                    {"lead_id": name, "rule": rule, "event_id": f"00000000-0000-0000-0000-{len(self.points):012d}",
                     "occurred_at": before(days), "points": points, "points_given": points}
                )  # fmt: skip
        return bool(looks), bool(downloads)

    def _call(self) -> None:
        """Leads that reach 50: some go on to 85 within the hour and buy; the idle stop at 60."""
        for number in range(160 + self.truth.idle_calls):
            name, days, is_idle = f"H{number}", 40 + self.chance.random() * 130, number >= 160
            self._lead(name, 60 if is_idle else 85)
            self._habits(name)
            self.changes.append({"lead_id": name, "changed_at": before(days), "points": 60, "score": 60})
            if not is_idle:
                later = before(days) + timedelta(hours=1)
                self.changes.append({"lead_id": name, "changed_at": later, "points": 25, "score": 85})
            if not is_idle and self.chance.random() < 0.4:
                self._deal(name, days - 10)

    def score_changes(self) -> list[dict[str, Any]]:
        return self.changes

    def published(self) -> dict[str, list[dict[str, Any]]]:
        sends, members = self._mails()
        handoffs, changes, more = self._handoffs()
        return {
            "leads": self.leads,
            "lead_score_points": self.points,
            "deals": self.deals,
            "sends": sends,
            "segment_members": [*members, *more],
            "handoffs": handoffs,
            "handoff_changes": changes,
        }

    def _mails(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        sends: list[dict[str, Any]] = []
        people = {"finance": 400, "manufacturing": 400}
        members = [
            {"segment": segment, "lead_id": f"M{segment}{number}", "entered_at": before(300)}
            for segment, count in people.items()
            for number in range(count)
        ]
        for week in range(9):
            for member in members:
                rate = self.truth.opens_last_week if week == 0 else 0.3
                if member["segment"] == "finance":
                    rate -= self.truth.tiring * (8 - week) / 8
                step = STEPS[int(self.chance.integers(4))]
                lost = self.truth.leak if step == "warm_seminar" else 0.003
                sent = before(7 * week + 5)
                opened, leaves = self.chance.random(2) < (rate, lost)
                sends.append(
                    {
                        "send_id": f"S{len(sends)}", "lead_id": member["lead_id"], "current_lead_id": member["lead_id"],
                        "scenario": "warm_nurturing", "step": step, "variant": "default", "occurrence": week,
                        "segment": "warm_leads", "category": "marketing", "state": "delivered", "sent_at": sent,
                        "delivered_at": sent, "opened_at": sent + timedelta(hours=2) if opened else None,
                        "unsubscribed_at": sent + timedelta(hours=3) if leaves else None,
                    }
                )  # fmt: skip
        return sends, members

    def _handoffs(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        handoffs, changes, members = [], [], []
        for number in range(120):
            is_it, days = number % 3 == 0, 4 + self.chance.random() * 150
            lead, handed_off = f"R{number}", before(days)
            if is_it:
                members.append(
                    {"segment": "information_technology", "lead_id": lead, "entered_at": before(300)},
                )
            is_returned = self.chance.random() < (self.truth.returned if is_it else 0.05)
            answered = handed_off + timedelta(days=1)
            status = "returned" if is_returned else "contacted" if is_it else "meeting"
            reason = "not_a_target" if is_returned else None
            handoffs.append(
                {
                    "handoff_id": f"F{number}", "lead_id": lead, "current_lead_id": lead, "cause": "hot",
                    "cause_event_id": f"e{number}", "caused_at": handed_off, "owner": "sato", "first_owner": "sato",
                    "handed_off_at": handed_off, "due_at": handed_off + timedelta(hours=48), "status": status,
                    "status_changed_at": answered, "first_contact_at": answered, "reject_reason": reason,
                    "met_at": answered if status == "meeting" else None,
                }
            )  # fmt: skip
            changes.append(
                {"change_id": f"c{number}", "handoff_id": f"F{number}", "changed_at": answered, "noted_at": answered,
                 "source": "sfa", "status": status, "reject_reason": reason}
            )  # fmt: skip
        return handoffs, changes, members
