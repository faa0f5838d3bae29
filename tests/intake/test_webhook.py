"""SendGrid's events: believed by their signature alone, taken once, and an odd one keeps none of its neighbours away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rules.models import RuleSet
from sandbox.sendgrid import EventWebhook, Habits
from sandbox.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER
from settings import Settings
from tasks.clients.sources.sendgrid_events import EVENT_TYPES
from tasks.inbox import drain_inbox
from tests.facts import at
from tests.intake.face import Answer, Face, face
from tests.postgres import running_postgres
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse

KEY = ec.derive_private_key(12345, ec.SECP256R1())
OTHER = ec.derive_private_key(54321, ec.SECP256R1())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
NOW = at(1)
RULES: RuleSet = rule_set()


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    values: dict[str, Any] = {"home": tmp_path, "secret_key": "secret", "sendgrid_webhook_key": PUBLIC}
    if request.param == "postgresql":
        values["inbox_url"] = request.getfixturevalue("postgres_url")
        engine = sa.create_engine(values["inbox_url"])
        with engine.begin() as connection:
            connection.execute(sa.text("drop table if exists inbox"))
        engine.dispose()
    return Settings(**values)


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, secret_key="secret", sendgrid_webhook_key=PUBLIC)


def event(number: int, **changes: object) -> dict[str, object]:
    return {
        "event": "delivered",
        "email": "a@example.com",
        "timestamp": int(NOW.timestamp()) - 60,
        "sg_event_id": f"event-{number}",
        "sg_message_id": "m1.recvd-1",
        "nurture_send_id": "S1",
        "ip": "192.0.2.1",
    } | changes


def post(
    served: Face, body: bytes, *, key: ec.EllipticCurvePrivateKey = KEY, stamp: str | None = None, **changes: str
) -> Answer:
    stamp = str(int(served.clock.now().timestamp())) if stamp is None else stamp
    signature = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: stamp, "Content-Type": "application/json"} | changes
    return served.ask("POST", "/webhooks/sendgrid", body, headers)


def loaded(settings: Settings, days: float = 2) -> list[tuple[Any, ...]]:
    drain_inbox(settings, RULES.fields, at(days))
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute("select event_type, email, send_id from events order by event_type, email").fetchall()


def test_only_what_sendgrid_signed_now_is_believed(plain: Settings) -> None:
    body = orjson.dumps([event(1)])
    other_body = orjson.dumps([event(2)])
    stamp = str(int(NOW.timestamp()))
    signature = base64.b64encode(KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    with face(plain, RULES, NOW) as served:
        refused = [
            post(served, body, key=OTHER),
            post(served, other_body, **{SIGNATURE_HEADER: signature}),
            post(served, body, **{SIGNATURE_HEADER: signature[:-8]}),
            post(served, body, **{SIGNATURE_HEADER: ""}),
            post(served, body, **{SIGNATURE_HEADER: "%%%"}),
            post(served, body, **{TIMESTAMP_HEADER: str(int(stamp) + 1)}),
            post(served, body, stamp=str(int((NOW - timedelta(hours=27)).timestamp()))),
            post(served, body, stamp=str(int((NOW + timedelta(minutes=11)).timestamp()))),
            *(post(served, body, stamp=odd) for odd in ("", "soon", "-1", "9" * 40, "\xb2", "1e9")),
        ]
        assert [answer.status for answer in refused] == [403] * len(refused)
        assert loaded(plain) == []
        assert post(served, body).status == 200
        # an hour late, since nobody answered before
        assert post(served, other_body, stamp=str(int((NOW - timedelta(hours=25)).timestamp()))).status == 200
    assert len(loaded(plain)) == 2


def test_without_a_key_no_event_is_believed(tmp_path: Path) -> None:
    with face(Settings(home=tmp_path, secret_key="x"), RULES, NOW) as served:
        answer = post(served, orjson.dumps([event(1)]))
    assert (answer.status, "NURTURE_SENDGRID_WEBHOOK_KEY" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b'{"event": "open"}', 400),
        (b"null", 400),
        (b"[" * 100_000, 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'[{"event": "open", "n": NaN}]', 400),
        (b'[{"event": "\xff"}]', 400),
        (orjson.dumps([1] * 20_001), 400),
        (b"[" + b" " * (2 * 1024 * 1024) + b"]", 413),
        (b"[]", 200),
    ],
    ids=range(11),
)
def test_what_is_no_array_of_events_is_refused(plain: Settings, body: bytes, status: int) -> None:
    with face(plain, RULES, NOW) as served:
        assert post(served, body).status == status
    assert loaded(plain) == []


ODD: list[object] = [
    None, 1, "text", [], [[event(1)]], {},
    {"event": "delivered"},
    event(901, sg_event_id=None),
    event(902, sg_event_id=7),
    event(903, sg_event_id="x" * 100_000),
    event(904, timestamp="yesterday"),
    event(905, timestamp=-5),
    event(906, timestamp=1e300),
    event(907, timestamp=None),
    event(908, event="something_new"),
    event(909, event=None),
    event(910, email={"a": 1}),
    event(911, email="a\x00b@example.com"),
    event(912, nurture_send_id=["x"]),
    event(913, reason="null \x00 byte"),
    event(914, url="https://example.com/" + "x" * 50_000),
]  # fmt: skip


def test_an_odd_item_keeps_none_of_its_neighbours_away(settings: Settings) -> None:
    good = [event(number, event=kind, email=f"{kind}@example.com") for number, kind in enumerate(EVENT_TYPES)]
    mixed = [item for pair in zip(ODD, [*good, *good], strict=False) for item in pair]
    body = json.dumps(mixed).encode()
    with face(settings, RULES, NOW) as served:
        assert post(served, body).status == 200
        lone = rb'[{"event": "open", "sg_event_id": "s", "email": "\ud800@example.com", "timestamp": 1775000000}]'
        assert post(served, lone).status in {200, 400}
        huge = b'[{"event":"open","sg_event_id":"big","email":"x@example.com","timestamp":1e400}]'
        assert post(served, huge).status in {200, 400}
    rows = loaded(settings)
    for kind, ours in EVENT_TYPES.items():
        assert (ours, f"{kind}@example.com", "S1") in rows
    with open_warehouse(settings, read_only=True) as connection:
        reasons = dict(connection.execute("select reason, count(*) from quarantine group by reason").fetchall())
    assert reasons.get("not a JSON object") == 5
    assert reasons.get("not an event of SendGrid's event webhook") == 3
    assert loaded(settings, 3) == rows


def test_a_post_that_is_sent_again_adds_nothing(settings: Settings) -> None:
    body = orjson.dumps([event(number) for number in range(50)])
    with face(settings, RULES, NOW) as served:
        assert [post(served, body).status for _ in range(3)] == [200] * 3
        served.clock.set(NOW + timedelta(hours=1))
        assert post(served, orjson.dumps([event(number) for number in range(40, 60)])).status == 200
    assert len(loaded(settings)) == 60


def test_no_readers_address_is_kept(plain: Settings) -> None:
    with face(plain, RULES, NOW) as served:
        post(served, orjson.dumps([event(1)]))
    assert b"192.0.2.1" not in b"".join(path.read_bytes() for path in plain.home.glob("inbox.db*"))


def test_what_cannot_be_kept_is_not_acknowledged(plain: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    body = orjson.dumps([event(1)])
    with face(plain, RULES, NOW) as served:
        with monkeypatch.context() as broken:

            def fail(*_: object) -> None:
                raise sa.exc.OperationalError("insert", None, Exception("disk full"))

            broken.setattr("intake.inbox.append_entries", fail)
            answer = post(served, body)
            assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert loaded(plain) == []
        assert post(served, body).status == 200
    assert len(loaded(plain, 3)) == 1


HABITS = Habits(duplicates=0.3, late=0.3, bare=1.0, is_shuffled=True, batch=37)


@pytest.mark.parametrize("seed", range(3))
def test_however_unreliable_its_webhook_every_event_is_there_once(plain: Settings, seed: int) -> None:
    kinds = [*EVENT_TYPES, "processed", "delivered", "open", "click", "bounce"]
    told = [event(number, event=kinds[number % len(kinds)]) for number in range(400)]
    key = EventWebhook("http://127.0.0.1", seed=seed).public_key
    plain = plain.model_copy(update={"sendgrid_webhook_key": key})
    with face(plain, RULES, None) as served:
        webhook = EventWebhook(f"{served.url}/webhooks/sendgrid", HABITS, seed=seed)
        assert set(webhook.post(told)) == {200}
        first = len(loaded(plain, 400))
        assert set(webhook.flush()) == {200}
    assert first < len(loaded(plain, 401)) == len(told)
