"""The books balance: whatever happens to leads, rules and provider, every mail that was meant is told of once.

Random stories of merges, opt-outs, missing consents, waits, pauses, a holdout, rules that change and a provider that
fails are lived through, and after every run the ledger is held against the facts and against the provider's own record
of what it took. A few stories run with every test, hundreds in ``make soak``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.models import Delivery, MailCap, RuleSet, Window
from sandbox.sendgrid import Fault
from settings import Settings
from tasks.errors import RunError
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CASE_STUDY, CONSULTATION, DOWNLOAD, PRICE_VIEW, SEMINAR, rule_set, step
from tests.world import World, stand_in
from warehouse.connection import open_ledger, open_warehouse

Rows = Callable[..., list[Any]]
EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")
ADDRESSES = tuple(
    f"{name}@example.com"
    for name in (
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
        "i",
        "bounce",
        "bounce2",
        "drop",
        "refused.",
        "silent",
        "silent2",
    )
)
"""Of a few leads: some bounce, one the provider drops, one it refuses, and some consent to nothing."""
LEADS = range(len(ADDRESSES))
WITNESS = "witness@example.com"
"""Asks for something at the very end, so that the provider tells of a mail and its silence about others means something."""
TAKEN = {"accepted", "delivered", "bounced", "dropped"}

BUSINESS = Window(
    id="business", label="営業時間", days=("mon", "tue", "wed", "thu", "fri"), opens="09:00", closes="18:00",
    on_holidays=False,
)  # fmt: skip
STEPS = (
    step("thanks", DOWNLOAD, stage="awareness", priority=0, window="business"),
    step("cases", CASE_STUDY, stage="interest", delay=timedelta(hours=6), priority=1),
    step("general", DOWNLOAD, scenario="trigger_mails", kind="trigger", segment="everyone", priority=2),
    step("later", DOWNLOAD, segment="everyone", delay=timedelta(hours=20), priority=3),
    step("seminar", SEMINAR, segment="everyone", priority=4, window="business"),
    step("price", PRICE_VIEW, segment="everyone", trigger_count=2, priority=5),
    step("answer", CONSULTATION, segment="everyone", category="transactional", priority=6),
)
CAPS = (
    MailCap(id="a_day", label="1日1通", mails=1, within_days=1),
    MailCap(id="triggers", label="トリガーは週1通", mails=1, within_days=7, kind="trigger"),
)
BEHAVIOURS: dict[str, dict[str, str]] = {
    "download": {"event_type": "document_download", "asset": "guide"},
    "case": {"event_type": "document_download", "asset": "case-1"},
    "seminar": {"event_type": "seminar_signup"},
    "price": {"event_type": "page_view", "url": "/price"},
    "consultation": {"event_type": "consultation_request"},
}


@dataclass(frozen=True)
class OptOut:
    """Somebody wants no more marketing, or no mail at all."""

    lead: int
    way: str
    is_late: bool
    """It comes after the decision and before the delivery."""


@dataclass(frozen=True)
class Run:
    """What comes to pass before a run, and how the run goes."""

    hours: int
    """Since the run before."""
    behaviours: list[tuple[int, str]]
    merge: tuple[int, int] | None
    opt_outs: list[OptOut]
    title: tuple[int, str] | None
    """A lead's new title, by which it comes into a segment or leaves it."""
    paused: str | None
    step_off: str | None
    """A step that the rules have switched off, or that is missing from them."""
    faults: list[Fault]
    are_events_told: bool


@dataclass(frozen=True)
class Story:
    delivery: Delivery
    runs: list[Run]


_leads = st.sampled_from(LEADS)
_ways = st.sampled_from(["list", "list for all", "unsubscribe", "spam_report", "consent"])
_troubles = st.sampled_from(
    [
        Fault("status", status=400),
        Fault("status", status=413),
        Fault("status", status=429, headers={"X-RateLimit-Reset": "0.01"}),
        Fault("status", status=401),
        Fault("status", status=500),
        Fault("status", status=503),
        Fault("reset_before"),
        Fault("reset_after"),
        Fault("hang", seconds=0),
    ]
)


def _sometimes(strategy: st.SearchStrategy[Any], out_of: int) -> st.SearchStrategy[Any]:
    return st.integers(1, out_of).flatmap(lambda drawn: strategy if drawn == out_of else st.none())


_runs = st.builds(
    Run,
    hours=st.sampled_from([0, 1, 6, 12, 20, 24, 49]),
    behaviours=st.lists(st.tuples(_leads, st.sampled_from(sorted(BEHAVIOURS))), min_size=4, max_size=16),
    merge=_sometimes(st.tuples(_leads, _leads), 2),
    opt_outs=st.lists(st.builds(OptOut, _leads, _ways, st.booleans()), max_size=2),
    title=_sometimes(st.tuples(_leads, st.sampled_from(["営業部長", "課長"])), 4),
    paused=_sometimes(st.sampled_from(["*", "guide", "trigger_mails"]), 4),
    step_off=_sometimes(st.sampled_from(["off thanks", "off later", "no general", "no later"]), 5),
    faults=st.one_of(st.just([]), st.lists(_troubles, min_size=1, max_size=4)),
    are_events_told=st.booleans(),
)
_deliveries = st.builds(
    Delivery,
    windows=st.just((BUSINESS,)),
    holidays=st.just("JP"),
    caps=st.sampled_from([CAPS, CAPS, ()]),
    holdout_share=st.sampled_from([0, 0.3]),
)
stories = st.builds(Story, _deliveries, st.lists(_runs, min_size=3, max_size=5))


def rules_of(story: Story, run: Run | None = None) -> RuleSet:
    """The rules of a run: those of the story, maybe with a step switched off or left out."""
    how, _, name = ((run and run.step_off) or "").partition(" ")
    steps = [
        one.model_copy(update={"is_enabled": False}) if one.step == name else one
        for one in STEPS
        if one.step != name or how == "off"
    ]
    return rule_set(steps=tuple(steps), active_from=START, delivery=story.delivery)


class Life:
    """A story as it is lived through, with what a plain reading of it says of people beside it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = at(0)
        self._people = {address: {address} for address in (*ADDRESSES, WITNESS)}
        """Of each address, all that are known to be the same person's."""
        self._wants_no_marketing: set[str] = set()
        self._wants_no_mail: set[str] = set()
        self._paused: str | None = None

    def begin(self) -> None:
        def add(connection):
            for number, address in enumerate((*ADDRESSES, WITNESS)):
                title = "営業部長" if number % 3 else "課長"
                add_lead(connection, address, title=title, industry="製造業", company=f"会社{number}")
                if not address.startswith("silent"):
                    add_consent(connection, address)

        self.world.facts(add)

    def live(self, run: Run, rules: RuleSet) -> None:
        """Let everything come to pass and the run go, and hold its books against the rest."""
        self.now += timedelta(hours=run.hours, minutes=7)
        self._tell(run, is_late=False)
        if run.are_events_told:
            self._tell_events()
        if run.paused != self._paused:
            with open_ledger(self.world.settings) as ledger:
                ledger.execute("delete from pauses")
                if run.paused:
                    ledger.execute("insert into pauses values (?, ?)", [run.paused, self.now])
            self._paused = run.paused
        self.world.clock(self.now)
        self.world.recompute(rules, self.now)
        plan_sends(self.world.settings, rules, self.now)
        self._tell(run, is_late=True)
        before = len(self.world.accepted())
        self.world.stand_in.faults.set(run.faults)
        with suppress(RunError):  # a provider that is out of order, or refuses: the next run goes on
            deliver_sends(self.world.settings, rules, self.now)
        self.world.stand_in.faults.set([])
        self._check(self.world.accepted()[before:], run.paused)

    def end(self, rules: RuleSet) -> None:
        """Nothing stands in the way any more: the provider tells all it has, and in the end no mail waits."""
        calm = Run(0, [], None, [], None, None, None, [], are_events_told=True)
        soon = self.now + timedelta(hours=1)
        self.world.facts(lambda connection: add_event(connection, "consultation_request", soon, email=WITNESS))
        for hours in (30, 1, 40 * 24):
            self.live(Run(**{**vars(calm), "hours": hours}), rules)
        states = Counter(state for (state,) in self.world.ledger("select state from sends"))
        assert states.keys() <= {*TAKEN, "rejected", "cancelled"}, states
        assert self.world.ledger("select 1 from send_decisions where not is_final") == []
        assert self.world.ledger(
            "select 1 from enrolments anti join send_decisions using (lead_id, scenario, step, occurrence)"
        ) == []  # fmt: skip

    def _tell(self, run: Run, *, is_late: bool) -> None:
        """Put into the facts what comes before the recompute, or after the decision."""

        opt_outs = [opt_out for opt_out in run.opt_outs if opt_out.is_late == is_late]
        if not opt_outs and (is_late or not (run.behaviours or run.merge or run.title)):
            return

        def add(connection):
            if not is_late:
                for lead, behaviour in run.behaviours:
                    add_event(connection, when=self.now, email=ADDRESSES[lead], **BEHAVIOURS[behaviour])
                if run.title:
                    add_lead(connection, ADDRESSES[run.title[0]], self.now, title=run.title[1])
                for lead in run.merge or ():
                    connection.execute(
                        "insert into lead_records values (?, 'crm', ?, ?, null, ?, ?, map {}, null)",
                        [
                            f"m{self.now}{lead}",
                            f"crm:{min(run.merge)}-{max(run.merge)}",
                            ADDRESSES[lead],
                            self.now,
                            self.now,
                        ],
                    )
            for opt_out in opt_outs:
                self._opt_out(connection, opt_out)

        if run.merge and not is_late:
            one = self._people[ADDRESSES[run.merge[0]]] | self._people[ADDRESSES[run.merge[1]]]
            self._people |= dict.fromkeys(one, one)
        self.world.facts(add)

    def _opt_out(self, connection, opt_out: OptOut) -> None:
        address = ADDRESSES[opt_out.lead]
        match opt_out.way:
            case "list" | "list for all":
                blocks = "all" if "all" in opt_out.way else "marketing"
                add_suppression(connection, address, self.now, blocks)
            case "consent":
                connection.execute(
                    "insert into consent_records values (?, 'crm', null, ?, 'marketing', false, 'opt_in_form', '', ?, ?, null)",
                    [f"w{self.now}", address, self.now, self.now],
                )
            case way:
                add_event(connection, f"mail_{way}", self.now, email=address)
        (self._wants_no_mail if opt_out.way in {"list for all", "spam_report"} else self._wants_no_marketing).add(
            address
        )

    def _tell_events(self) -> None:
        self.world.pull_provider_events(self.now)
        path = self.world.home / "sandbox" / "events.jsonl"
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self._wants_no_mail |= {event["email"] for event in told if event["event"] == "bounce"}

    def _check(self, went: list[dict[str, Any]], paused: str | None) -> None:
        with open_ledger(self.world.settings, read_only=True) as connection:

            def rows(query: str, *values: object) -> list[Any]:
                return connection.execute(query, values).fetchall()

            check_decisions(rows, self.now)
            check_changes(rows)
            check_witness(rows, self.world.accepted())
            steps = {send_id: step for send_id, *step in rows("select send_id, scenario, step from sends")}
        for mail in went:
            # nobody was mailed against a wish that was known before the claim, nor while mails were to rest
            person, (scenario, name) = self._people[mail["to"]], steps[mail["send_id"]]
            assert not person & self._wants_no_mail
            assert paused not in ("*", scenario)
            if name != "answer":
                assert not person & self._wants_no_marketing
                assert any(not address.startswith("silent") for address in person), "without consent"


def check_decisions(rows: Rows, now: datetime) -> None:
    """Every mail that is due has one decision; so many were targeted as were sent, or not sent for some reason."""
    key = "lead_id, scenario, step, occurrence"
    assert not rows(f"select * from enrolments anti join send_decisions using ({key}) where due_at <= $1", now)
    assert not rows(f"select * from send_decisions anti join enrolments using ({key}, due_at)")
    assert not rows(f"select {key} from send_decisions group by all having count(*) > 1")
    for table in ("enrolments", "send_decisions", "sends"):
        assert not rows(f"from {table} where send_id != send_key({key})"), "the id is made of the key"
        assert not rows(f"from {table} where send_number != send_number(send_id, scenario, step, occurrence)"), (
            "the number stands for the id"
        )
    day = "scenario, step, timezone('Asia/Tokyo', due_at)::date as day"

    def per_day(query: str) -> Counter[Any]:
        counts: Counter[Any] = Counter()
        for scenario, step_id, due_on, _, number in rows(f"select {day}, {query} group by all"):
            counts[scenario, step_id, due_on] += number
        return counts

    final = f"enrolments semi join (from send_decisions where is_final) using ({key})"
    assert per_day(f"null, count(*) from {final}") == per_day("decision, count(*) from send_decisions where is_final")
    assert per_day("null, count(*) from send_decisions where decision = 'sent'") == per_day(
        "state, count(*) from sends"
    )
    sent = rows(f"select send_id, {key}, due_at from send_decisions where decision = 'sent' and is_final order by all")
    assert sent == rows(f"select send_id, {key}, due_at from sends order by all")


def check_changes(rows: Rows) -> None:
    """Each decision's history ends in the decision, and nothing follows one that is final."""
    latest: dict[str, Any] = {}
    for send_id, *change in rows(
        "select send_id, decision, decided_at, is_final from send_decision_changes order by rowid"
    ):
        earlier = latest.get(send_id)
        assert earlier is None or (earlier[0] != change[0] and not earlier[-1]), (earlier, change)
        latest[send_id] = change
    present = rows("select send_id, decision, decided_at, is_final from send_decisions")
    assert latest == {send_id: decision for send_id, *decision in present}


def check_witness(rows: Rows, accepted: list[dict[str, Any]]) -> None:
    """What the ledger says of its mails is what the provider took, each once."""
    taken = Counter(mail["send_id"] for mail in accepted)
    assert set(taken.values()) <= {1}, "a mail went twice"
    states = dict(rows("select send_id, state from sends"))
    assert {send_id for send_id, state in states.items() if state in TAKEN} <= taken.keys()
    assert {states[send_id] for send_id in taken} <= {*TAKEN, "unknown"}
    assert {"claimed", "sending"}.isdisjoint(states.values())
    requests = rows(
        "select send_id from attempt_sends inner join attempts using (attempt_id) where outcome = 'accepted'"
    )
    assert len(requests) == len(set(requests)), "a mail was taken in two requests"
    assert not rows("select 1 from attempts where outcome = 'sending'")
    refused_alone = "from attempts where outcome = 'rejected' and mails = 1"
    assert not rows(
        f"select 1 from sends semi join (attempt_sends semi join ({refused_alone}) using (attempt_id)) using (send_id)"
        " where state != 'rejected'"
    ), "what was refused is tried again"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its files, migrated and with nothing in them."""
    files = Settings(home=tmp_path_factory.mktemp("empty"))
    with open_warehouse(files), open_ledger(files):
        return files.home


@pytest.mark.timeout(600 if EXAMPLES is None else 0)
@settings(
    max_examples=int(EXAMPLES) // 10 if EXAMPLES else 4,
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(story=stories)
def test_the_books_balance(empty: Path, story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(empty, home)
        with stand_in(home) as server:
            life = Life(World(home, server))
            life.begin()
            for run in story.runs:
                life.live(run, rules_of(story, run))
            life.end(rules_of(story))
