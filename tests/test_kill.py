"""The process dies at any instant: nothing is lost, nothing goes twice, and the derived tables are the same.

Rounds differ by their seed, which the name of a failed test shows. Some run with every test; ``make soak`` runs many.
What the stand-in SendGrid wrote down of its acceptances is the witness, whatever the ledger says.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.nurture_cycle import nurture_cycle
from flows.pull_behavior import pull_behavior
from flows.recompute_leads import recompute_leads
from flows.send_scenarios import send_scenarios
from sandbox.sendgrid import Clock, Fault, StandIn
from tests import forking
from tests.company import REPOSITORY, SmallCompany
from tests.prefect_server import PrefectServer, prefect_server

__all__ = ["prefect_server"]  # a fixture

ROUNDS = int(os.environ.get("NURTURE_KILL_ROUNDS", "20"))
CYCLES = max(2, ROUNDS // 10)
START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)
NOW = START + timedelta(days=1)
LEADS, MAILS = 24, 24
"""Each lead downloads once, and so many mails follow, each its own step: so many requests are made."""
HANG_SECONDS, TIMEOUT_SECONDS = 0.9, 0.5
PREFECT_SECONDS = 6
"""About what passes before the first request of a run through a Prefect server."""
LATER = NOW + timedelta(hours=30)
"""By then silence about a mail means that it was not taken."""
DERIVED = ("leads", "lead_identities", "lead_behaviours", "lead_score_points", "lead_tier_changes", "lead_stage_changes",
           "segment_members", "lead_suppressions", "quarantine")  # fmt: skip

THROUGH_PREFECT = """
import sys
import cli
from flows import runtime

# a killed run keeps its turn for a minute; runs with turns of their own leave it to the home's locks to part them
runtime.WRITER_LIMIT = sys.argv[1]
cli.app(sys.argv[2:])
"""


@dataclass(frozen=True)
class Prepared:
    """A home in which all is computed and nothing decided, and what a run that nobody kills makes of it."""

    company: SmallCompany
    sends: frozenset[str]
    decisions: list[tuple[Any, ...]]
    first_seconds: float
    """From the start of such a run to its first request."""
    work_seconds: float
    """From there to its end."""


class Subprocess(subprocess.Popen[str]):
    """A process that can be asked what one of ``multiprocessing`` can."""

    def is_alive(self) -> bool:
        return self.poll() is None

    def join(self, timeout: float | None = None) -> None:
        self.wait(timeout)

    @property
    def exitcode(self) -> int | None:
        return self.returncode


def company(home: Path, *, leads: int, mails: int) -> SmallCompany:
    made = SmallCompany(home, active_from=START)
    with (made.rules / "trigger_mails.yaml").open("a", encoding="utf-8") as file:
        for number in range(1, mails + 1):
            file.write(
                f"\n  - {{id: mail_{number}, label: {number}通目, timing: 資料DL後{number}分, subject: 件名{number},"
                " template: document_thank_you}\n"
            )
    for number in range(leads):
        mail = made.contact(f"lead{number}", START, basis="" if number % 7 == 0 else "opt_in_form")
        asset = "case-studies" if number % 2 else "guide"
        made.event("document_download", mail, START + timedelta(hours=20), asset=asset)
        if number % 5 == 0:
            made.event("consultation_request", mail, START + timedelta(hours=21))
        if number % 11 == 0:
            made.opt_out(mail, START + timedelta(hours=22))
    return made


def start(made: SmallCompany, server: StandIn, command: str = "send", **settings: str) -> Any:
    environment = made.environment(server) | settings
    return forking.start([command, "--as-of", NOW.isoformat()], environment, made.home / "log.txt")


def start_on_server(made: SmallCompany, server: StandIn, prefect: PrefectServer, turn: str, **settings: str) -> Any:
    with (made.home / "log.txt").open("a") as log:
        return Subprocess(
            [sys.executable, "-c", THROUGH_PREFECT, turn, "send", "--as-of", NOW.isoformat()],
            cwd=REPOSITORY,
            env=prefect.environment(**made.environment(server) | settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def rows(made: SmallCompany, query: str, file: str = "ledger.duckdb") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(made.home / file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def accepted(made: SmallCompany) -> list[str]:
    path = made.home / "sandbox" / "accepted.jsonl"
    return [json.loads(line)["send_id"] for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def settings_of(made: SmallCompany, server: StandIn) -> Iterator[None]:
    """This process has the company's settings, so that flows run in it as plain functions."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment(server).items():
            patch.setenv(name, value)
        yield


def wait_until(is_so: Callable[[], bool], processes: Sequence[Any], seconds: float = 60) -> None:
    """Wait until it is so, or all of the processes have ended."""
    deadline = time.monotonic() + seconds
    while not is_so() and any(process.is_alive() for process in processes):
        assert time.monotonic() < deadline, f"waited {seconds:g} s"
        time.sleep(0.002)


def some_faults(chance: random.Random, *, has_trouble: bool) -> list[Fault]:
    """What becomes of the first requests: each waits a little, so that many are under way, and some meet trouble."""
    calm = Fault("hang", seconds=0.02)
    trouble = [
        Fault("status", status=429, headers={"X-RateLimit-Reset": "0.1"}),
        Fault("status", status=500),
        Fault("status", status=503),
        Fault("reset_before"),
        Fault("reset_after"),
        Fault("hang", seconds=HANG_SECONDS),
    ]
    return [chance.choice(trouble) if has_trouble and chance.random() < 0.3 else calm for _ in range(3 * MAILS)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    made = company(folder / "home", leads=LEADS, mails=MAILS)
    with StandIn(made.home, clock=Clock(NOW)) as server, settings_of(made, server):
        pull_behavior.fn(as_of=NOW)
        recompute_leads.fn(as_of=NOW)
    for name in ("warm", "undisturbed"):  # what comes first of all starts the forking process, too
        undisturbed = made.copied_to(folder / name)
        with StandIn(undisturbed.home, clock=Clock(NOW)) as server:
            server.faults.set(some_faults(random.Random(), has_trouble=False))
            started = time.monotonic()
            process = start(undisturbed, server)
            wait_until(lambda: bool(server.mailbox.mails), [process])
            first = time.monotonic()
            process.join()
            ended = time.monotonic()
        assert process.exitcode == 0, (undisturbed.home / "log.txt").read_text()
    sends = {send_id for (send_id,) in rows(undisturbed, "select send_id from sends")}
    assert len(sends) > 300
    assert sorted(accepted(undisturbed)) == sorted(sends)
    return Prepared(made, frozenset(sends), decisions(undisturbed), first - started, ended - first)


def decisions(made: SmallCompany) -> list[tuple[Any, ...]]:
    return rows(made, f"from send_decisions where decided_at = '{NOW.isoformat()}' order by all")


def kill_at_random(
    processes: Sequence[Any], server: StandIn, chance: random.Random, prepared: Prepared, first_seconds: float
) -> str:
    """Kill the first of some runs, and wait for the others. Returns when that was.

    Some are killed on the way to the first request; the others once a number of mails has been taken, at once or within
    about the time of two groups of requests: while answers are awaited, recorded, or the next requests noted.
    """
    if chance.random() < 0.3:
        wait = chance.uniform(0, 1.1 * first_seconds)
        told = f"{wait:.3f} s after its start"
    else:
        wait = chance.uniform(0, 0.3 * prepared.work_seconds)
        left = len(prepared.sends) - len(server.mailbox.mails)
        taken = len(server.mailbox.mails) + chance.randrange(max(left, 1))
        wait_until(lambda: len(server.mailbox.mails) > taken, processes)
        told = f"{wait:.3f} s after mail {taken}"
    time.sleep(wait)
    killed, *others = processes
    is_alive = killed.is_alive()
    if is_alive:
        os.kill(killed.pid, signal.SIGKILL)
    killed.join(60)
    for other in others:
        other.join(60)
    return f"killed {told}" if is_alive else f"ended by itself with {killed.exitcode}, not killed {told}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_each_mail_goes_once_whenever_send_is_killed(
    seed: int, tmp_path: Path, prepared: Prepared, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(seed)
    has_trouble, is_double, is_on_server = seed % 5 in (1, 2, 4), seed % 3 == 0, seed % 4 == 3
    made = prepared.company.copied_to(tmp_path / "home")
    story = [f"seed {seed}, {has_trouble=}, {is_double=}, {is_on_server=}"]
    # a slow machine is no trouble
    settings = {"NURTURE_SENDGRID_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)} if has_trouble else {}
    with StandIn(made.home, clock=Clock(NOW)) as server, settings_of(made, server):
        server.faults.set(some_faults(chance, has_trouble=has_trouble))
        for _ in range(1 if is_on_server else chance.randint(1, 2)):
            if is_on_server:
                prefect = request.getfixturevalue("prefect_server")
                runs = [
                    start_on_server(made, server, prefect, f"turn-{seed}-{n}", **settings) for n in range(1 + is_double)
                ]
                first_seconds = PREFECT_SECONDS
            else:
                runs = [start(made, server, **settings) for _ in range(1 + is_double)]
                first_seconds = prepared.first_seconds
            story.append(kill_at_random(runs, server, chance, prepared, first_seconds))
            assert has_trouble or all(run.exitcode == 0 for run in runs[1:]), told(made, story)
            if not is_double:
                note_what_it_left(made)
        killed_at = time.monotonic()

        server.faults.set([])
        send_scenarios.fn(as_of=NOW)
        assert not again(made), told(made, story)
        states = dict(rows(made, "select send_id, state from sends"))
        assert states.keys() == prepared.sends, told(made, story)
        assert set(states.values()) <= {"accepted", "unknown"}, told(made, story)
        assert rows(made, "select count(*) from attempts where outcome = 'sending'") == [(0,)], told(made, story)
        assert decisions(made) == prepared.decisions, told(made, story)

        # what hangs in the provider is taken in the end, long before a day is over
        time.sleep(max(0, killed_at + HANG_SECONDS + 0.5 - time.monotonic()))
        made.event("document_download", made.contact("witness", LATER), LATER - timedelta(minutes=1), asset="guide")
        send_at(made, server, LATER)
        unknown = {send_id for send_id, state in rows(made, "select send_id, state from sends") if state == "unknown"}
        assert unknown == prepared.sends - set(accepted(made)), told(made, story)
        if unknown:
            send_at(made, server, LATER + timedelta(hours=1))

    assert not again(made), told(made, story)
    lost = prepared.sends - set(accepted(made))
    assert not lost, told(made, story)
    ends = rows(made, "select distinct state from sends")
    assert set(ends) <= {("accepted",), ("delivered",)}, told(made, story)
    assert set(accepted(made)) == {send_id for (send_id,) in rows(made, "select send_id from sends")}


def send_at(made: SmallCompany, server: StandIn, instant: datetime) -> None:
    server.clock.set(instant)
    pull_behavior.fn(as_of=instant)
    recompute_leads.fn(as_of=instant)
    send_scenarios.fn(as_of=instant)


def again(made: SmallCompany) -> list[str]:
    """The mails that were taken more than once."""
    return [send_id for send_id, times in Counter(accepted(made)).items() if times > 1]


def told(made: SmallCompany, story: Sequence[str]) -> str:
    """What a failure shows: how the round went, and what the runs said."""
    attempts = rows(made, "select outcome, http_status, message, count(*) from attempts group by all order by all")
    log = made.home / "log.txt"
    return "\n".join([*story, *map(repr, attempts), log.read_text()[-3000:] if log.exists() else ""])


LEFT: Counter[str] = Counter()
"""How many killed runs left what behind."""


def note_what_it_left(made: SmallCompany) -> None:
    if not (made.home / "ledger.duckdb").exists() or not rows(
        made, "select 1 from duckdb_tables() where table_name = 'attempts'"
    ):
        LEFT["nothing"] += 1
        return
    under_way = "select attempt_id from attempts where outcome = 'sending'"
    claimed = f"select send_id from sends where state = 'claimed' and attempt_id in ({under_way})"
    riding = [send_id for (send_id,) in rows(made, claimed)]
    taken = set(accepted(made))
    if riding:
        LEFT["requests that were taken" if taken & set(riding) else "requests that were not taken"] += 1
    elif not rows(made, "select 1 from sends limit 1"):
        LEFT["nothing decided"] += 1
    elif rows(made, "select 1 from sends where state in ('planned', 'claimed') limit 1"):
        LEFT["some mails recorded" if taken else "mails decided"] += 1
    else:
        LEFT["all recorded"] += 1


def test_the_kills_met_runs_at_their_work() -> None:
    if LEFT.total() < 10:
        pytest.skip("so few rounds may all have been killed at one place")
    assert LEFT["requests that were taken"] + LEFT["requests that were not taken"] >= 3, LEFT
    assert len(LEFT) >= 3, LEFT


@pytest.fixture(scope="module")
def cycled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a cycle that nobody kills comes to, and how long it takes."""
    made = company(tmp_path_factory.mktemp("cycled") / "home", leads=40, mails=0)
    with StandIn(made.home, clock=Clock(NOW)) as server:
        started = time.monotonic()
        process = start(made, server, "cycle")
        process.join()
        seconds = time.monotonic() - started
    assert process.exitcode == 0, (made.home / "log.txt").read_text()
    return {
        "derived": derived(made),
        "sends": {send_id for (send_id,) in rows(made, "select send_id from sends")},
        "handoffs": rows(made, "select handoff_id, owner from handoffs order by all"),
        "seconds": seconds,
    }


def derived(made: SmallCompany) -> dict[str, list[str]]:
    """The derived tables, but for what the provider told: that depends on which mails had left by then."""
    found = {table: rows(made, f"from {table}", "warehouse.duckdb") for table in DERIVED}
    found["lead_behaviours"] = rows(
        made, "from lead_behaviours where not starts_with(event_type, 'mail_')", "warehouse.duckdb"
    )
    return {table: sorted(map(repr, there)) for table, there in found.items()}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(CYCLES))
def test_a_cycle_killed_anywhere_ends_as_one_that_was_not(seed: int, tmp_path: Path, cycled: dict[str, Any]) -> None:
    chance = random.Random(seed)
    made = company(tmp_path / "home", leads=40, mails=0)
    with StandIn(made.home, clock=Clock(NOW)) as server, settings_of(made, server):
        if seed % 2:
            server.faults.set([Fault("reset_after"), Fault("reset_before")])
        for _ in range(2):
            process = start(made, server, "cycle")
            time.sleep(chance.uniform(0.05, 1.0) * cycled["seconds"])
            process.kill()
            process.join()
        server.faults.set([])
        nurture_cycle.fn(as_of=NOW)
        assert derived(made) == cycled["derived"]

        # the provider tells of mails sent since, so its silence about the lost ones means something
        made.event("document_download", made.contact("witness", LATER), LATER - timedelta(minutes=1), asset="guide")
        for hours in range(3):
            server.clock.set(LATER + timedelta(hours=hours))
            nurture_cycle.fn(as_of=LATER + timedelta(hours=hours))

    taken = accepted(made)
    sends = rows(made, "select send_id, state from sends")
    notices = rows(made, "select notice_id, state from notices where state_reason is distinct from 'handed_off'")
    assert not again(made), "a mail went twice"
    assert {state for _, state in [*sends, *notices]} <= {"accepted", "delivered"}
    assert set(taken) == {key for key, _ in [*sends, *notices]}
    assert cycled["sends"] <= set(taken), "a mail was lost"
    assert rows(made, "select handoff_id, owner from handoffs order by all") == cycled["handoffs"]
    with sqlite3.connect(made.home / "sfa.db") as sfa:
        written = sfa.execute("select handoff_id from handoffs").fetchall()
    assert sorted(written) == rows(made, "select handoff_id from handoffs order by 1")
