"""A small world for tests of acts: a home, a stand-in SendGrid, and the steps of a cycle as plain calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from rules.models import RuleSet
from sandbox.sendgrid import Clock, StandIn
from settings import Settings
from tasks.cards import show_handoffs
from tasks.handoff import plan_handoffs
from tasks.notices import send_notices
from tasks.send import deliver_sends, plan_sends
from tasks.sfa_sync import read_sfa, write_sfa
from warehouse.connection import check_instant, open_ledger, open_warehouse
from warehouse.recompute import recompute


@cache
def _empty_files() -> dict[str, bytes]:
    """The files of a home in which nothing is known yet, by name: to make them takes longer than many a test."""
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        for opened in (open_warehouse, open_ledger):
            with opened(settings):
                pass
        return {path.name: path.read_bytes() for path in (settings.warehouse, settings.ledger)}


class World:
    """One home and one stand-in, which tells its events to the warehouse when asked."""

    def __init__(self, home: Path, stand_in: StandIn, **changes: Any) -> None:
        self.home = home
        self.stand_in = stand_in
        values: dict[str, Any] = {
            "home": home,
            "sendgrid_host": stand_in.url,
            "sendgrid_api_key": "SG.test",
            "secret_key": "secret of the tests",
            "sendgrid_timeout_seconds": 5,
        }
        self.settings = Settings(**(values | changes))
        for path in (self.settings.warehouse, self.settings.ledger):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_empty_files()[path.name])

    def facts(self, add: Callable[[duckdb.DuckDBPyConnection], object]) -> None:
        """Let ``add`` put facts into the warehouse."""
        with open_warehouse(self.settings) as connection:
            add(connection)

    def recompute(self, rules: RuleSet, as_of: datetime) -> None:
        with open_warehouse(self.settings) as connection:
            check_instant(connection, "recompute", as_of)
            recompute(connection, rules, as_of, self.settings.public_url)

    def send(self, rules: RuleSet, as_of: datetime, *, is_confirmed: bool = False) -> dict[str, int]:
        """Recompute, plan and deliver as of an instant. Returns the decisions."""
        self.clock(as_of)
        self.recompute(rules, as_of)
        decisions = plan_sends(self.settings, rules, as_of)
        deliver_sends(self.settings, rules, as_of, is_confirmed=is_confirmed)
        return decisions

    def hand_off(self, rules: RuleSet, as_of: datetime) -> None:
        """Recompute, read the SFA, hand off, write to the SFA and give notice as of an instant."""
        self.clock(as_of)
        self.recompute(rules, as_of)
        read_sfa(self.settings, rules, as_of)
        plan_handoffs(self.settings, rules, as_of)
        write_sfa(self.settings, rules, as_of)
        show_handoffs(self.settings, rules, as_of)
        send_notices(self.settings, rules, as_of)

    def clock(self, now: datetime) -> None:
        self.stand_in.clock.set(now)

    def pull_provider_events(self, received_at: datetime) -> None:
        """Take the stand-in's events as facts, each once."""
        names = {"processed": "mail_processed", "delivered": "mail_delivered", "bounce": "mail_bounce"}
        path = self.home / "sandbox" / "events.jsonl"
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        with open_warehouse(self.settings) as connection:
            for event in told:
                connection.execute(
                    """
                    insert into events
                    select md5(?)::uuid, 'sendgrid', ?, to_timestamp(?), ?, ?, null, null, null, null, ?, map {}
                    where md5(?)::uuid not in (select event_id from events)
                    """,
                    [
                        event["sg_event_id"],
                        names.get(event["event"], "mail_" + event["event"]),
                        event["timestamp"],
                        received_at,
                        event["email"],
                        event["nurture_send_id"],
                        event["sg_event_id"],
                    ],
                )

    def warehouse(self, query: str) -> list[tuple[Any, ...]]:
        with open_warehouse(self.settings, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        with open_ledger(self.settings, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def accepted(self) -> list[dict[str, Any]]:
        """The stand-in's own record of what it took."""
        path = self.home / "sandbox" / "accepted.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stand_in(home: Path, **changes: Any) -> StandIn:
    """A stand-in whose clock the tests set."""
    return StandIn(home, clock=Clock(), **changes)
