"""A publication renewed from the one before is that which is built anew, row by row, whatever happened in between.

Random stories of mails, merges, opt-outs, late opens, programs' opens, conversions, handoffs and deals are lived through;
after each run the file is renewed, and beside it another is built of nothing. A few stories run with every test, more in
``make soak``.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.models import RuleSet
from settings import Settings
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, PRICE_VIEW, rule_set, step
from tests.tasks.test_send_balance import ADDRESSES, STEPS, Life, Run, Story, rules_of, stories
from tests.world import World, stand_in
from warehouse.connection import open_ledger, open_warehouse
from warehouse.publication import Publication
from warehouse.publish import publish

ASKING = tuple(one.model_copy(update={"cta": CASE_STUDY, "cta_label": "事例集DL"}) for one in STEPS)
"""The steps of the stories, each asking for the case study."""
EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")


def differences(one: Path, other: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of two published files that only one of them has, but for when they were restated."""
    found = {}
    with duckdb.connect() as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        tables = connection.execute("select table_name from duckdb_tables() where database_name = 'one'").fetchall()
        assert len(tables) > 20
        for (table,) in tables:
            columns = [name for name, *_ in connection.execute(f"from one.{table} limit 0").description or ()]
            columns = [f"round({name}, 9)" if _is_double(connection, table, name) else name for name in columns
                       if name != "restated_at"]  # fmt: skip
            row = ", ".join(columns)
            rows = connection.execute(
                f"(select 'renewed', {row} from one.{table} except all select 'renewed', {row} from other.{table})"
                f" union all"
                f" (select 'built', {row} from other.{table} except all select 'built', {row} from one.{table})"
            ).fetchall()
            if rows:
                found[table] = rows
    return found


def _is_double(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    ((kind,),) = connection.execute(f"select any_value(typeof({column})) from one.{table}").fetchall()
    return kind == "DOUBLE"


def build_beside(files: Settings, as_of: datetime) -> Path:
    """Publish into a file of its own, of nothing."""
    beside = files.home / "beside" / "kpi.duckdb"
    beside.unlink(missing_ok=True)
    with patch("warehouse.publish.put_parquet"):  # nobody reads it
        publish(files.model_copy(update={"published_file": beside}), as_of)
    return beside


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each publication from a file before it, whether it was renewed."""
    seen: list[bool] = []
    renew = Publication.renew

    def watched(publication: Publication) -> bool:
        seen.append(renew(publication))
        return seen[-1]

    monkeypatch.setattr(Publication, "renew", watched)
    return seen


class Company(Life):
    """A life whose mails are read, whose leads are handed off and buy, and whose figures are published each time."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world)
        self._random = random.Random(seed)

    def live(self, run: Run, rules: RuleSet) -> None:
        super().live(run, rules)
        self.now += timedelta(minutes=11)
        self.world.facts(self._react)
        self.world.hand_off(rules, self.now)
        with open_ledger(self.world.settings) as ledger:
            self._let_sales_work(ledger)
        self.publish_and_compare()
        if self._random.random() < 0.5:
            # what providers told meanwhile is known before the next run settles it
            self.now += timedelta(minutes=7)
            self.world.pull_provider_events(self.now)
            self.world.recompute(rules, self.now)
            self.publish_and_compare()

    def _check(self, went: list[dict[str, Any]], paused: str | None) -> None:
        """The books of mails have tests of their own."""

    def publish_and_compare(self) -> None:
        renewed = publish(self.world.settings, self.now)
        assert differences(renewed, build_beside(self.world.settings, self.now)) == {}

    def _react(self, connection: duckdb.DuckDBPyConnection) -> None:
        sends = self.world.ledger(
            "select send_id, email, sent_at from sends where sent_at is not null order by send_id"
        )
        for send_id, email, sent_at in self._random.sample(sends, min(len(sends), 4)):
            kind = self._random.choice(["mail_open", "mail_open", "mail_click", "mail_delivered", "mail_bounce"])
            # told now, though it may have been days ago
            when = sent_at + (self.now - sent_at) * self._random.random()
            told = {"sg_machine_open": "true"} if kind == "mail_open" and self._random.random() < 0.2 else {}
            add_event(connection, kind, when, email=email, send_id=send_id, received_at=self.now, **told)
        for address in self._random.sample(ADDRESSES, 2):
            add_event(
                connection, "document_download", self.now, email=address, asset=self._random.choice(["case-1", "g"])
            )
        if self._random.random() < 0.5:
            address = self._random.choice(ADDRESSES)
            add_event(connection, "consultation_request", self.now, email=address)
            status = self._random.choice(["open", "won", "lost"])
            number = self._random.randrange(4)
            connection.execute(
                "insert into deal_records values (?, 'crm', ?, null, ?, ?, ?, ?, ?, map {})",
                [f"d{self.now}", f"D-{number}", address, status, 1000 * number, self.now, self.now],
            )

    def _let_sales_work(self, ledger: duckdb.DuckDBPyConnection) -> None:
        waiting = ledger.execute("select handoff_id from handoffs where status not in ('won', 'lost')").fetchall()
        for (handoff_id,) in self._random.sample(waiting, min(len(waiting), 1)):
            status = self._random.choice(["contacted", "meeting", "won", "returned"])
            # sales' clock may be ahead
            when = self.now + timedelta(hours=self._random.choice([-1, 0, 30]))
            ledger.execute(
                "update handoffs set status = $1, status_changed_at = $2, first_contact_at = coalesce(first_contact_at, $2)"
                " where handoff_id = $3",
                [status, when, handoff_id],
            )
            ledger.execute(
                "insert into handoff_changes by name select $1 as change_id, $2 as handoff_id, $3 as changed_at,"
                " $4 as noted_at, 'sfa' as source, $5 as status",
                [f"{handoff_id}{self.now}", handoff_id, when, self.now, status],
            )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its files, migrated and with nothing in them."""
    files = Settings(home=tmp_path_factory.mktemp("empty"))
    with open_warehouse(files), open_ledger(files):
        return files.home


@pytest.mark.timeout(600 if EXAMPLES is None else 0)
@settings(
    max_examples=int(EXAMPLES) // 10 if EXAMPLES else 1,
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(story=stories, seed=st.integers(0, 1000))
def test_what_is_renewed_is_what_is_built_anew(empty: Path, renewals: list[bool], story: Story, seed: int) -> None:
    renewals.clear()
    # of so few leads most have changed, and are made anew where that is faster; in half of the stories it never is
    part = patch("warehouse.changed_rows._LARGE_PART", 2 if seed % 2 else 0.3)
    steps = patch("tests.tasks.test_send_balance.STEPS", ASKING)
    with steps, tempfile.TemporaryDirectory() as folder, part:
        home = Path(folder) / "home"
        shutil.copytree(empty, home)
        with stand_in(home) as server:
            life = Company(World(home, server), seed)
            life.begin()
            for run in story.runs:
                life.live(run, rules_of(story, run))
            life.now += timedelta(days=2)  # time alone goes by
            life.world.recompute(rules_of(story, story.runs[-1]), life.now)
            life.publish_and_compare()
    assert renewals
    assert all(renewals)


def test_what_a_mail_is_credited_with_stays_when_the_ledger_settles_it(tmp_path: Path, renewals: list[bool]) -> None:
    """Also where its lead is credited anew for what it did long after."""
    asks = step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY, cta_label="事例集DL")
    rules = rule_set(steps=(asks,), active_from=START)
    address = "a@lead.example"

    def act(day: float, asset: str) -> None:
        world.facts(lambda connection: add_event(connection, "document_download", at(day), email=address, asset=asset))

    def converted() -> list[tuple[Any, ...]]:
        path = publish(world.settings, at(now))
        assert differences(path, build_beside(world.settings, at(now))) == {}
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute("select state, converted_at from sends order by planned_at").fetchall()

    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)
        world.facts(lambda connection: add_lead(connection, address, at(1)))
        world.facts(lambda connection: add_consent(connection, address, at(1)))
        act(1.5, "guide")
        world.send(rules, at(2))
        world.pull_provider_events(at(2.1))
        act(2.05, "case-1")
        now = 2.2
        world.recompute(rules, at(now))
        assert converted() == [("accepted", at(2.05))]
        world.send(rules, at(2.3))
        act(40, "case-1")
        now = 41
        world.recompute(rules, at(now))
        assert converted() == [("delivered", at(2.05))]
    assert renewals == [True]


class Leads:
    """A few leads to whom things happen one after the other, published and compared each time."""

    rules = rule_set(
        steps=(
            step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY),
            step("price", PRICE_VIEW, segment="everyone", scenario="trigger_mails", kind="trigger"),
        ),
        active_from=START,
    )

    def __init__(self, world: World) -> None:
        self.world = world

    @staticmethod
    def mail(name: str) -> str:
        return f"{name}@lead.example"

    def act(self, name: str, kind: str, when: datetime, **told: Any) -> None:
        self.world.facts(lambda connection: add_event(connection, kind, when, email=self.mail(name), **told))

    def browse(self, visitor: str, kind: str, when: datetime, **told: Any) -> None:
        self.world.facts(lambda connection: add_event(connection, kind, when, visitor=visitor, **told))

    def deal(self, name: str, status: str, when: datetime) -> None:
        self.world.facts(
            lambda connection: connection.execute(
                "insert into deal_records values ($1, 'crm', $2, null, $3, $4, 100, $5, $5, map {})",
                [f"{name}{status}", name, self.mail(name), status, when],
            )
        )

    def be_told_of(self, name: str, when: datetime, industry: str = "IT") -> None:
        self.world.facts(
            lambda connection: add_lead(connection, self.mail(name), when, title="部長", industry=industry)
        )

    def become_known(self, name: str, when: datetime) -> None:
        self.be_told_of(name, when)
        self.world.facts(lambda connection: add_consent(connection, self.mail(name), when))
        self.act(name, "document_download", when + timedelta(hours=1), asset="guide")

    def turn_out_to_be_one(self, one: str, other: str, when: datetime) -> None:
        for name in (one, other):
            self.world.facts(
                lambda connection, name=name: connection.execute(
                    "insert into lead_records values ($1, 'sfa', $2, $3, null, $4, $4, map {}, null)",
                    [f"{one}{name}", f"sfa:{one}", self.mail(name), when],
                )
            )

    def send(self, when: datetime) -> None:
        self.world.send(self.rules, when)
        self.world.pull_provider_events(when + timedelta(hours=2))

    def mail_id(self, name: str) -> str:
        query = f"select send_id from sends where email = '{self.mail(name)}' order by planned_at limit 1"
        ((send_id,),) = self.world.ledger(query)
        return str(send_id)

    def look(self, when: datetime) -> None:
        self.world.recompute(self.rules, when)
        path = publish(self.world.settings, when)
        assert differences(path, build_beside(self.world.settings, when)) == {}


@pytest.fixture
def leads(tmp_path: Path) -> Iterator[Leads]:
    """Five leads who were mailed, published once."""
    with stand_in(tmp_path) as server:
        made = Leads(World(tmp_path, server))
        for name in ("anna", "ben", "carl", "dora", "emil"):
            made.become_known(name, at(1))
        made.send(at(2))
        made.look(at(2.2))
        yield made


def test_mails_and_deals_that_change_are_taken_over(leads: Leads, renewals: list[bool]) -> None:
    """What large tables are not read for must not be missed."""
    renewals.clear()
    leads.act("anna", "mail_click", at(3), send_id=leads.mail_id("anna"))
    leads.act("ben", "document_download", at(3), asset="case-1")
    leads.look(at(3.1))
    leads.deal("carl", "won", at(4))
    leads.deal("dora", "open", at(4))
    leads.look(at(4.1))

    leads.act("dora", "page_view", at(5), url="/price")
    leads.world.send(leads.rules, at(5.1))  # delivered, and nobody told yet
    leads.deal("dora", "won", at(6))
    leads.look(at(6.1))
    leads.world.pull_provider_events(at(7))
    leads.look(at(7.1))
    leads.deal("carl", "lost", at(8))
    leads.look(at(8.1))
    leads.act("emil", "page_view", at(9), url="/price")
    leads.look(at(9.1))
    leads.send(at(9.2))  # and nothing else
    leads.look(at(9.4))
    leads.look(at(80))  # time alone
    assert renewals == [True] * 8


def test_people_who_change_are_taken_over(leads: Leads, renewals: list[bool]) -> None:
    renewals.clear()
    for name in ("ben", "emil"):
        leads.act(name, "consultation_request", at(3))
        leads.act(name, "page_view", at(3.1), url="/price")
    leads.world.hand_off(leads.rules, at(3.2))
    leads.become_known("fred", at(3.5))
    leads.look(at(4))
    leads.be_told_of("dora", at(5), industry="製造業")  # of a segment, and nothing else
    leads.look(at(5.1))
    leads.act("ben", "consultation_request", at(2.5), received_at=at(6))  # told late
    leads.look(at(6.1))
    leads.turn_out_to_be_one("anna", "carl", at(7))
    leads.look(at(7.1))
    leads.turn_out_to_be_one("ben", "emil", at(8))  # who were handed off both
    leads.look(at(8.1))

    # what was changed stands before what a later recompute wrote again without any change
    leads.act("fred", "consultation_request", at(9))
    leads.world.recompute(leads.rules, at(9.1))
    leads.act("ben", "page_view", at(9.2), url="/price")
    leads.look(at(9.3))
    assert renewals == [True] * 6


def test_what_is_no_more_is_taken_over(leads: Leads, renewals: list[bool]) -> None:
    """A click that a program made, and what another's browser did: no first time of theirs stands."""
    renewals.clear()
    leads.act("anna", "mail_click", at(3), send_id=leads.mail_id("anna"), url="https://x.test/a")
    leads.act("ben", "form_submit", at(3), visitor="v1")
    leads.browse("v1", "consultation_request", at(4))
    for hour in range(3):
        leads.browse("v1", "page_view", at(4, hours=2 * hour), url="/price")
    leads.look(at(5))
    with duckdb.connect(str(leads.world.settings.published), read_only=True) as connection:
        seen = connection.execute(
            "select count(clicked_at), count(hot_at), count_if(list_contains(segments, 'price_three_times'))"
            " from lead_journeys"
        ).fetchall()
    assert seen == [(1, 1, 1)]

    trap = f"{leads.world.settings.public_url}/trap/1"
    leads.act("anna", "mail_click", at(3), send_id=leads.mail_id("anna"), url=trap, received_at=at(6))
    leads.look(at(6.1))
    leads.act("carl", "form_submit", at(3.5), visitor="v1", received_at=at(7))
    leads.look(at(7.1))
    with duckdb.connect(str(leads.world.settings.published), read_only=True) as connection:
        ((clicks, email),) = connection.execute(
            "select (select count(clicked_at) from lead_journeys), email from leads where tier = 'hot'"
        ).fetchall()
    assert (clicks, email) == (0, leads.mail("carl"))
    assert renewals == [True] * 3


def test_mails_of_somebody_who_was_no_lead_are_taken_over(leads: Leads, renewals: list[bool]) -> None:
    """The ledger holds what was sent to a person whose facts are gone, and who comes back under another's name."""
    renewals.clear()
    for name in ("anna", "ben"):
        leads.act(name, "consultation_request", at(3))
        leads.act(name, "page_view", at(3.1), url="/price")
    leads.world.hand_off(leads.rules, at(3.2))
    leads.look(at(3.3))

    def forget(connection: duckdb.DuckDBPyConnection) -> None:
        for table in ("lead_records", "consent_records", "events"):
            connection.execute(f"delete from {table} where email = $1", [leads.mail("anna")])
        connection.execute("delete from derivation")

    leads.world.facts(forget)
    leads.look(at(3.5))
    leads.turn_out_to_be_one("ben", "anna", at(4))
    leads.look(at(4.1))
    with duckdb.connect(str(leads.world.settings.published), read_only=True) as connection:
        ((mails, handoffs),) = connection.execute(
            "select (select count(*) from sends semi join leads on current_lead_id = leads.lead_id),"
            " (select count(*) from handoffs semi join leads on current_lead_id = leads.lead_id)"
        ).fetchall()
    assert (mails, handoffs) == (5, 2)
    assert renewals == [True, True]


_FULL_DISK = """
import resource, signal, sys
from datetime import datetime
from pathlib import Path
from settings import Settings
from warehouse import publish as publishing

put_parquet = publishing.put_parquet
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class Full(publishing.Publication):
    def _finish(self):
        super()._finish()
        (fresh,) = Path(sys.argv[1]).glob(".kpi.duckdb.*")
        resource.setrlimit(resource.RLIMIT_FSIZE, (fresh.stat().st_size, resource.RLIM_INFINITY))


publishing.Publication = Full
publishing.publish(Settings(home=Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2]))
"""


def test_a_full_disk_leaves_the_file_before_in_place(leads: Leads, renewals: list[bool]) -> None:
    """And what was begun is nothing that the next is renewed from."""
    renewals.clear()
    leads.become_known("fred", at(3))
    leads.world.recompute(leads.rules, at(3.1))
    home = leads.world.settings.home
    before = leads.world.settings.published.read_bytes()
    command = [sys.executable, "-c", _FULL_DISK, str(home), at(3.1).isoformat()]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert "File too large" in found.stderr
    assert leads.world.settings.published.read_bytes() == before
    leads.look(at(3.2))
    assert renewals == [True]
