"""What a delivery run leaves in the ledger, wherever it ends, and how one fault touches no other lead's mail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from rules.models import RuleSet, Sender, Template
from settings import Settings
from tasks import delivery
from tasks.acts import only_one
from tasks.clients.sendgrid import Answer
from tasks.delivery import Delivery
from tasks.errors import RunError
from tasks.send import deliver_sends, plan_sends
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CONSULTATION, DOWNLOAD, SEMINAR, rule_set, step
from tests.tasks.clients.raw_server import Peer, RawServer
from tests.world import World, stand_in
from warehouse.claims import Batch, Claims, Recipients
from warehouse.connection import open_ledger
from warehouse.errors import WarehouseError

THANKS = step("thanks", DOWNLOAD, segment="everyone")
MIGRATIONS = Path(__file__).parents[2] / "warehouse" / "migrations" / "ledger"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def rules(*steps, **changes) -> RuleSet:
    return rule_set(steps=steps or (THANKS,), active_from=START, **changes)


def decide(world: World, asked: RuleSet, leads: int) -> None:
    """Let so many leads download something, and decide on their mails."""

    def add(connection):
        for number in range(leads):
            add_lead(connection, f"lead{number}@example.com", name=f"名前{number}")
            add_consent(connection, f"lead{number}@example.com")
            for kind in ("document_download", "seminar_signup", "consultation_request"):
                add_event(connection, kind, at(1), email=f"lead{number}@example.com", asset="guide")

    world.facts(add)
    world.recompute(asked, at(1))
    assert plan_sends(world.settings, asked, at(1)) == {"sent": leads * len(asked.steps)}


def small_requests(monkeypatch: pytest.MonkeyPatch, mails: int, page: int) -> None:
    monkeypatch.setattr(delivery, "MAX_PERSONALIZATIONS", mails)
    monkeypatch.setattr(delivery, "PAGE_SIZE", page)


def states(world: World) -> dict[str, int]:
    return dict(world.ledger("select state, count(*) from sends group by state"))


class Asked:
    """A client that tells what it was asked, and answers as a test says."""

    def __init__(self, answer: Callable[[int, dict[str, Any]], Answer]) -> None:
        self.payloads: list[dict[str, Any]] = []
        self._answer = answer

    def send(self, payload: bytes) -> Answer:
        self.payloads.append(orjson.loads(payload))
        return self._answer(len(self.payloads), self.payloads[-1])

    def addresses(self) -> list[str]:
        return [mail["to"][0]["email"] for payload in self.payloads for mail in payload["personalizations"]]


def deliver(
    world: World, asked: RuleSet, client: Asked, told: list[str] | None = None, when: datetime = at(1)
) -> dict[str, int]:
    run = Delivery(world.settings, asked, when, client, (lambda _: None) if told is None else told.append)
    return run.run(is_confirmed=False)


def accept(*_: object) -> Answer:
    return Answer("accepted", 202, message_id="m1")


def test_pages_and_requests_of_any_size_take_every_mail_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small_requests(monkeypatch, mails=2, page=5)
    decide(world, rules(), 13)
    places = world.ledger("select rowid, send_id from sends order by rowid")
    client, told = Asked(accept), []
    assert deliver(world, rules(), client, told) == {"accepted": 13, "cancelled": 0}
    assert world.ledger("select rowid, send_id from sends order by rowid") == places, "by which pages are told"
    assert sorted(client.addresses()) == sorted(f"lead{number}@example.com" for number in range(13))
    assert [line for line in told if "mails" in line] == ["5 of 13 mails", "10 of 13 mails", "13 of 13 mails"]
    assert states(world) == {"accepted": 13}
    assert world.ledger(
        "select sum(mails), count(*), any_value(outcome), count(finished_at), any_value(message_id) from attempts"
    ) == [(13, 8, "accepted", 8, "m1")]
    assert world.ledger(
        "select count(*), count(distinct send_id) from sends join attempt_sends using (send_id, attempt_id)"
        " where message_id = 'm1' and sent_at is not null"
    ) == [(13, 13)]


def test_a_request_is_in_the_ledger_before_it_leaves_and_nobody_holds_the_file_meanwhile(world: World) -> None:
    decide(world, rules(), 1)
    found: list[object] = []

    def look(*_: object) -> Answer:
        # as another process, since one process may open a file twice
        code = (
            "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute("
            "'select outcome, mails from attempts').fetchall())"
        )
        command = [sys.executable, "-c", code, str(world.settings.ledger)]
        found.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        return accept()

    deliver(world, rules(), Asked(look))
    assert found == ["[('sending', 1)]"]


def test_a_run_that_dies_leaves_only_what_was_under_way_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small_requests(monkeypatch, mails=2, page=100)
    decide(world, rules(), 9)

    def die(number: int, _: dict[str, Any]) -> Answer:
        if number == 3:  # of the second group
            raise KeyboardInterrupt
        return accept()

    client = Asked(die)
    with pytest.raises(KeyboardInterrupt):
        deliver(world, rules(), client)
    assert states(world) == {"claimed": 9}
    assert world.ledger("select outcome, count(*) from attempts group by all order by all") == [
        ("accepted", 1), ("sending", 2),
    ]  # fmt: skip
    after = Asked(accept)
    assert deliver(world, rules(), after, when=at(1.5))["accepted"] == 3
    assert world.ledger("select sent_at, count(*) from sends where state = 'accepted' group by all order by all") == [
        (at(1), 2), (at(1.5), 3),
    ]  # fmt: skip
    assert world.ledger(
        "select count(*) from attempts join attempt_sends using (attempt_id) join sends using (send_id)"
        " where outcome = 'unknown' and state = 'unknown' and list_contains(send_ids, send_id)"
    ) == [(4,)]
    assert states(world) == {"accepted": 5, "unknown": 4}
    assert len({*client.addresses(), *after.addresses()}) == len(client.addresses() + after.addresses()) == 9
    assert world.ledger("select distinct state_reason from sends where state = 'unknown'") == [
        ("the run ended before the answer",)
    ]


def test_what_was_answered_is_kept_when_the_ledger_cannot_be_opened_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_requests(monkeypatch, mails=2, page=100)
    decide(world, rules(), 3)
    real, opened = delivery.open_ledger, 0

    def failing(*args: object, **options: object):
        nonlocal opened
        opened += 1
        if opened == 4:  # the run's beginning, the page, the first group, and now the second
            raise RuntimeError("no space left on the disk")
        return real(*args, **options)

    monkeypatch.setattr(delivery, "open_ledger", failing)
    with pytest.raises(RuntimeError):
        deliver(world, rules(), Asked(accept))
    assert states(world) == {"accepted": 2, "planned": 1}


def test_homes_that_share_a_ledger_share_the_lock_of_sending(tmp_path: Path) -> None:
    shared = {"ledger_file": tmp_path / "shared" / "ledger.duckdb", "lock_timeout_seconds": 0}
    one, other = (Settings(home=tmp_path / name, **shared) for name in ("one", "other"))
    with only_one(one, "send"):
        with pytest.raises(RunError, match="another run is at it"), only_one(other, "send"):
            pass
        with only_one(one, "run"), only_one(other, "run"), only_one(Settings(home=tmp_path / "third"), "send"):
            pass


def test_while_another_run_sends_nothing_is_decided_and_nothing_leaves(world: World) -> None:
    decide(world, rules(), 1)
    hasty = world.settings.model_copy(update={"lock_timeout_seconds": 0})
    with only_one(world.settings, "send"):
        with pytest.raises(RunError, match="another run is at it"):
            plan_sends(hasty, rules(), at(1))
        with pytest.raises(RunError, match="another run is at it"):
            deliver_sends(hasty, rules(), at(1))
    assert world.accepted() == []
    assert deliver_sends(hasty, rules(), at(1))["accepted"] == 1


@pytest.mark.parametrize("verdict", ["accepted", "split"])
def test_mails_that_another_run_has_taken_over_do_not_leave_from_this_one(
    world: World, monkeypatch: pytest.MonkeyPatch, verdict: Any
) -> None:
    """As if the lock had not held: the other run gave up what was claimed, and claimed it for itself."""
    small_requests(monkeypatch, mails=2, page=100)
    decide(world, rules(), 6)

    def take_over(*_: object) -> Answer:
        with open_ledger(world.settings) as ledger:
            ledger.execute("update sends set attempt_id = 'of another run' where state = 'claimed'")
        return Answer(verdict)

    client = Asked(take_over)
    with pytest.raises(WarehouseError, match="another run has taken over"):
        deliver(world, rules(), client)
    assert len(client.payloads) == 1
    assert world.ledger("select count(*) from attempts") == [(1,)]


def test_a_sender_that_is_refused_stops_its_own_mails_alone(tmp_path: Path) -> None:
    sales = Sender(
        id="sales", name="営業", email="sales@example.com", company="会社", postal_address="東京", contact="連絡先"
    )
    asked = rules(
        THANKS,
        step("offer", SEMINAR, segment="everyone", sender="sales"),
        step("last", CONSULTATION, segment="everyone"),
    )
    asked = asked.model_copy(update={"senders": (*asked.senders, sales)})
    error = {"errors": [{"message": "The from address does not match a verified Sender Identity", "field": "from"}]}

    def act(peer: Peer) -> None:
        while True:
            _, body = peer.read_request()
            if orjson.loads(body)["from"]["email"] == sales.email:
                peer.answer("403 Forbidden", orjson.dumps(error))
            else:
                peer.answer("202 Accepted")

    with RawServer(act) as server, stand_in(tmp_path) as unused:
        world = World(tmp_path, unused, sendgrid_host=server.url)
        decide(world, asked, 3)
        with pytest.raises(RunError, match="refused sender sales with 403: The from address does not match"):
            deliver_sends(world.settings, asked, at(1))
    assert world.ledger("select step, state, count(*) from sends group by all order by all") == [
        ("last", "accepted", 3), ("offer", "planned", 3), ("thanks", "accepted", 3),
    ]  # fmt: skip
    assert world.ledger("select outcome, http_status, message from attempts where outcome != 'accepted'") == [
        ("not_sent", 403, "The from address does not match a verified Sender Identity (from)")
    ]


@pytest.mark.parametrize(
    ("field", "told"),
    [("from.email", "refused sender sales with 400"), ("content.0.value", "refused mails/offer with 400")],
)
def test_a_refusal_of_what_all_mails_share_rejects_no_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, told: str
) -> None:
    small_requests(monkeypatch, mails=2, page=100)
    base = rules()
    sales = base.senders[0].model_copy(update={"id": "sales", "email": "sales@example.com"})
    offer = base.templates[0].model_copy(update={"id": "offer"})
    steps = (step("offer", SEMINAR, segment="everyone", sender="sales", template="offer"), THANKS)
    asked = rules(*steps, senders=(*base.senders, sales), templates=(*base.templates, offer))
    error = {"errors": [{"message": "Something is wrong with it.", "field": field}]}

    def act(peer: Peer) -> None:
        while True:
            _, body = peer.read_request()
            if orjson.loads(body)["from"]["email"] == sales.email:
                peer.answer("400 Bad Request", orjson.dumps(error))
            else:
                peer.answer("202 Accepted")

    with RawServer(act) as server, stand_in(tmp_path) as unused:
        world = World(tmp_path, unused, sendgrid_host=server.url)
        decide(world, asked, 5)
        with pytest.raises(RunError, match=f"{told}: Something is wrong with it"):
            deliver_sends(world.settings, asked, at(1))
    assert world.ledger("select step, state, count(*) from sends group by all order by all") == [
        ("offer", "planned", 5), ("thanks", "accepted", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), [("{{ lead.nothing }}", "nothing"), ("{{ 1 / 0 }}", "division by zero")])
def test_a_template_that_cannot_be_rendered_stops_its_own_mails_alone(world: World, text: str, told: str) -> None:
    broken = Template(id="broken", subject="{{ step.subject }}", text=text, html="<p></p>")
    asked = rules(THANKS, step("offer", SEMINAR, segment="everyone", template="broken"))
    asked = asked.model_copy(update={"templates": (*asked.templates, broken)})
    decide(world, asked, 2)
    with pytest.raises(RunError, match=f"mails/broken cannot be rendered: .*{told}"):
        deliver_sends(world.settings, asked, at(1))
    assert world.ledger("select step, state, count(*) from sends group by all order by all") == [
        ("offer", "planned", 2), ("thanks", "accepted", 2),
    ]  # fmt: skip


def test_the_limit_told_by_an_acceptance_is_waited_for_and_then_all_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_requests(monkeypatch, mails=1, page=100)
    decide(world, rules(), 3)
    taken: list[float] = []

    def act(peer: Peer) -> None:
        while True:
            _, body = peer.read_request()
            taken.append(time.monotonic())
            if len(taken) == 1:
                first = orjson.loads(body)["personalizations"][0]["to"][0]["email"]
                out = next(f"lead{number}@example.com" for number in range(3) if f"lead{number}@example.com" != first)
                world.facts(lambda connection: add_suppression(connection, out, at(1)))
                peer.answer("202 Accepted", X_RateLimit_Remaining="0", X_RateLimit_Reset="1.2")
            else:
                peer.answer("202 Accepted", X_RateLimit_Remaining="5", X_RateLimit_Reset="60")

    told: list[str] = []
    with RawServer(act) as server:
        settings = world.settings.model_copy(update={"sendgrid_host": server.url})
        deliver_sends(settings, rules(), at(1), told.append)
    assert states(world) == {"accepted": 2, "cancelled": 1}
    assert world.ledger("select outcome, count(*) from attempts group by all") == [("accepted", 2)]
    assert taken[1] - taken[0] >= 1.2
    assert "SendGrid takes no requests for now; waiting 1 s" in told


def test_a_pause_holds_what_is_claimed_and_not_yet_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small_requests(monkeypatch, mails=1, page=100)
    decide(world, rules(), 5)

    def pause(number: int, _: dict[str, Any]) -> Answer:
        if number == 1:
            with open_ledger(world.settings) as ledger:
                ledger.execute("insert into pauses values ('guide', ?)", [at(1)])
        return accept()

    client = Asked(pause)
    assert deliver(world, rules(), client)["accepted"] == 1
    assert len(client.payloads) == 1
    assert states(world) == {"accepted": 1, "planned": 4}


def test_a_request_holds_an_address_once_and_a_variant_alone() -> None:
    claims = Claims(rules(), at(1), "Asia/Tokyo", None, ["name"], batch_size=2, page_size=100)
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table looked as
            select
                row_number() over () - 1 as position, null::integer as batch, 's' || position as send_id,
                'guide' as scenario, 'thanks' as step, variant, email,
                if(variant = 'c', 'expired', null) as stop_reason, 'name' || position as shown_name
            from (select unnest($variants) as variant, unnest($emails) as email)
            """,
            {"variants": list("aaabaac"), "emails": list("xyxxxzx")},
        )
        connection.execute(
            "create table sends as select 'planned' as state, 'late' as state_reason, null::varchar as attempt_id,"
            " null::timestamptz as state_changed_at from looked"
        )
        batches = claims._claim(connection)
        assert [(batch.variant, batch.ids) for batch in batches] == [
            ("a", ["s0", "s1"]),
            ("a", ["s2"]),
            ("b", ["s3"]),
            ("a", ["s4"]),
            ("a", ["s5"]),
        ]
        assert batches[0].recipients.emails == ["x", "y"]
        assert batches[0].recipients.shown == {"name": ["name0", "name1"]}
        by_place = [batch.attempt_id for batch in batches for _ in batch.ids]
        assert connection.execute("select state, state_reason, attempt_id from sends order by rowid").fetchall() == [
            *(("claimed", None, attempt_id) for attempt_id in by_place),
            ("planned", "late", None),
        ]
        assert len(set(by_place)) == len(batches)
        # what was put together before rides together, and without others
        connection.execute("update looked set batch = position // 2")
        assert [batch.ids for batch in claims._claim(connection)] == [["s0", "s1"], ["s2"], ["s3"], ["s4", "s5"]]


def test_a_batch_goes_again_whole_or_in_parts() -> None:
    recipients = Recipients(["s0", "s1", "s2"], ["a", "b", "c"], {"name": ["A", "B", "C"]})
    batch = Batch("first", "guide", "thanks", "default", recipients)
    rest = batch.again([0, 2])
    assert rest.recipients == Recipients(["s0", "s2"], ["a", "c"], {"name": ["A", "C"]})
    assert rest.claimed_for == "first"
    assert rest.attempt_id != "first"
    less = batch.without({"s1"})
    assert (less.attempt_id, less.claimed_for, less.recipients) == ("first", None, rest.recipients)
    assert len(batch.without({"s0", "s1", "s2"}).recipients) == 0


def test_a_ledger_of_an_earlier_version_keeps_its_requests(world: World) -> None:
    world.settings.ledger.unlink()
    with duckdb.connect(str(world.settings.ledger)) as ledger:
        ledger.execute("create table schema_migrations (name varchar primary key)")
        for name in ("0001_ledger.sql", "0002_delivery.sql"):
            ledger.execute((MIGRATIONS / name).read_text(encoding="utf-8"))
            ledger.execute("insert into schema_migrations values (?)", [name])
        for attempt, outcome, state in (("a1", "accepted", "accepted"), ("a2", "sending", "sending")):
            ledger.execute(
                "insert into attempts values (?, ?, null, 2, 'hash', ?, null, null)", [attempt, at(0), outcome]
            )
            for number in range(2):
                ledger.execute("insert into attempt_sends values (?, ?)", [attempt, f"{attempt}s{number}"])
                ledger.execute(
                    "insert into sends values ($1, $1, 'guide', 'thanks', 'default', 1, 'everyone', 'marketing', $2, null,"
                    " 'a@example.com', $3, $3, $4, null, null, $3, 'v', null, 'step')",
                    [f"{attempt}s{number}", state, at(0), attempt],
                )
        ledger.execute(
            "insert into sends select * replace ('S' || substr(md5(concat_ws(chr(31), 'known', scenario, step,"
            " occurrence)), 1, 24) as send_id, 'known' as lead_id, 'cancelled' as state, null as attempt_id) from sends where send_id = 'a1s0'"
        )
        ledger.execute(
            "insert into enrolments values ('a1s0', 'guide', 'thanks', 1, 'event', $1, $1, $1, 'v')", [at(0)]
        )
        ledger.execute(
            "insert into send_decisions select 'S' || substr(md5(concat_ws(chr(31), lead_id, scenario, step,"
            " occurrence)), 1, 24), lead_id, scenario, step, variant, occurrence, segment, due_at, 'sent', due_at, true, 'v'"
            " from sends where lead_id = 'a1s0'"
        )
    decide(world, rules(), 1)
    assert world.ledger(
        "select send_id = send_key('a1s0', 'guide', 'thanks', 1), lead_id, trigger_event_id from enrolments"
        " where lead_id = 'a1s0'"
    ) == [(True, "a1s0", "event")]
    assert world.ledger("select lead_id, decision from send_decisions where lead_id = 'a1s0'") == [("a1s0", "sent")]
    for table in ("enrolments", "send_decisions", "sends"):
        numbers = f"select send_number = send_number(send_id, scenario, step, occurrence) from {table}"
        assert set(world.ledger(numbers)) == {(True,)}, "migrations make the numbers that runs do"
    assert world.ledger("select attempt_id, send_ids, outcome from attempts order by 1") == [
        ("a1", ["a1s0", "a1s1"], "accepted"), ("a2", ["a2s0", "a2s1"], "unknown"),
    ]  # fmt: skip
    assert world.ledger("select count(*) from attempt_sends") == [(4,)]
    assert states(world) == {"accepted": 2, "unknown": 2, "cancelled": 1, "planned": 1}
