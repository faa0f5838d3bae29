"""Who may be mailed what: consent and blocks by kind of mail, soft bounces, domains, and what outlives an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr

from rules.models import Delivery, RuleSet, SoftBounces, UnsubscribeGroup
from settings import Settings
from tests.facts import add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import rule_set
from warehouse.address_hashes import AddressHash
from warehouse.connection import open_warehouse
from warehouse.erasure import hash_records
from warehouse.errors import WarehouseError
from warehouse.recompute import recompute as derive

A = "a@example.com"
REFUSALS = "select newsletter_refusal, step_refusal, trigger_refusal from leads where email = 'a@example.com'"
RULES = rule_set(
    delivery=Delivery(
        soft_bounces=SoftBounces(mails=3, within_days=30, rest_days=90),
        unsubscribe_groups=(UnsubscribeGroup(id=12, kind="newsletter"),),
        block_domains=("rival.example",),
    )
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path, secret_key=SecretStr("secret of the tests"))) as connection:
        yield connection


def recompute(connection: duckdb.DuckDBPyConnection, as_of: datetime, rules: RuleSet = RULES) -> None:
    derive(connection, rules, as_of, "http://127.0.0.1:8787")


def refusals(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> tuple[Any, ...]:
    """Why the lead gets no newsletter, no step, no trigger mail."""
    recompute(connection, as_of)
    (row,) = connection.execute(REFUSALS).fetchall()
    return row


def consented(connection: duckdb.DuckDBPyConnection) -> None:
    add_lead(connection, A)
    add_consent(connection, A)


def soft_bounce(connection: duckdb.DuckDBPyConnection, day: float, send_id: str | None = None) -> None:
    add_event(connection, "mail_bounce", at(day), email=A, send_id=send_id or f"s{day}", type="blocked")


def test_consent_to_a_kind_is_for_that_kind_and_keeps_its_evidence(warehouse) -> None:
    add_lead(warehouse, A)
    add_consent(warehouse, A, at(1), "newsletter")
    assert refusals(warehouse, at(2)) == (None, "no_consent", "no_consent")
    assert warehouse.execute("select consent_state, consent_basis from leads").fetchall() == [
        ("consented", "opt_in_form")
    ]
    add_consent(warehouse, A, at(3))
    assert refusals(warehouse, at(4)) == (None, None, None)
    assert warehouse.execute(
        "select mail_kind, basis, source, evidence, since_at from lead_consents order by 1"
    ).fetchall() == [
        ("marketing", "opt_in_form", "crm", "form v1", at(3)),
        ("newsletter", "opt_in_form", "crm", "form v1", at(1)),
    ]


def test_a_withdrawal_of_a_kind_blocks_that_kind_and_no_later_import_lifts_it(warehouse) -> None:
    consented(warehouse)
    add_consent(warehouse, A, at(1), "trigger", is_granted=False)
    add_consent(warehouse, A, at(2))
    assert refusals(warehouse, at(3)) == (None, None, "opted_out")
    assert warehouse.execute("select consent_state, is_opted_out from leads").fetchall() == [("consented", False)]
    add_consent(warehouse, A, at(4), is_granted=False)
    assert refusals(warehouse, at(5)) == ("opted_out", "opted_out", "opted_out")
    assert warehouse.execute("select consent_state, is_opted_out from leads").fetchall() == [("opted_out", True)]


EVENTS: list[tuple[str, dict[str, str], tuple[str | None, ...]]] = [
    ("mail_unsubscribe", {}, ("opted_out",) * 3),
    ("mail_unsubscribe", {"mail_kind": "step"}, (None, "opted_out", None)),
    ("mail_unsubscribe", {"mail_kind": "no such kind"}, ("opted_out",) * 3),
    ("mail_unsubscribe", {"asm_group_id": "12"}, ("opted_out", None, None)),
    ("mail_unsubscribe", {"asm_group_id": "13"}, ("opted_out",) * 3),
    ("mail_spam_report", {}, ("suppressed",) * 3),
    ("mail_bounce", {"type": "bounce"}, ("suppressed",) * 3),
    ("mail_bounce", {"type": "blocked"}, (None, None, None)),
    ("mail_deferred", {}, (None, None, None)),
    ("mail_dropped", {"reason": "Bounced Address"}, ("suppressed",) * 3),
    ("mail_dropped", {"reason": "Invalid"}, ("suppressed",) * 3),
    ("mail_dropped", {"reason": "Spam Reporting Address"}, ("suppressed",) * 3),
    ("mail_dropped", {"reason": "Unsubscribed Address"}, ("opted_out",) * 3),
    ("mail_dropped", {"reason": "Spam Content (if Spam Checker app is enabled)"}, (None, None, None)),
    ("mail_dropped", {"reason": "Invalid SMTPAPI header"}, (None, None, None)),
]
"""Events, with the refusals of the three kinds that follow."""


def test_what_an_event_stops(warehouse) -> None:
    for number, (event, properties, _) in enumerate(EVENTS):
        mail = f"lead{number:02}@example.com"
        add_lead(warehouse, mail)
        add_consent(warehouse, mail)
        add_event(warehouse, event, at(1), email=mail, **properties)
    recompute(warehouse, at(2))
    found = warehouse.execute(REFUSALS.replace("where email = 'a@example.com'", "order by email")).fetchall()
    assert found == [expected for *_, expected in EVENTS]


def test_subscribing_again_lifts_what_it_names_and_never_a_bounce(warehouse) -> None:
    consented(warehouse)
    add_event(warehouse, "mail_unsubscribe", at(1), email=A)
    add_event(warehouse, "mail_resubscribe", at(2), email=A, asm_group_id="12")
    assert refusals(warehouse, at(3)) == (None, "opted_out", "opted_out")
    add_event(warehouse, "mail_resubscribe", at(4), email=A, mail_kind="no such kind")
    assert refusals(warehouse, at(5)) == (None, "opted_out", "opted_out")
    add_event(warehouse, "mail_resubscribe", at(6), email=A)
    assert refusals(warehouse, at(7)) == (None, None, None)
    add_event(warehouse, "mail_bounce", at(8), email=A)
    add_event(warehouse, "mail_resubscribe", at(9), email=A)
    assert refusals(warehouse, at(10)) == ("suppressed",) * 3


def test_joining_a_group_the_rules_do_not_name_lifts_what_leaving_it_stopped_and_no_more(warehouse) -> None:
    consented(warehouse)
    add_event(warehouse, "mail_unsubscribe", at(1), email=A, asm_group_id="13")
    add_event(warehouse, "mail_resubscribe", at(2), email=A, asm_group_id="14")
    assert refusals(warehouse, at(3)) == ("opted_out",) * 3
    add_event(warehouse, "mail_resubscribe", at(4), email=A, asm_group_id="13")
    assert refusals(warehouse, at(5)) == (None, None, None)
    add_event(warehouse, "mail_unsubscribe", at(6), email=A, asm_group_id="13")
    add_event(warehouse, "mail_unsubscribe", at(6), email=A, mail_kind="step")
    add_event(warehouse, "mail_resubscribe", at(7), email=A, asm_group_id="13")
    assert refusals(warehouse, at(8)) == (None, "opted_out", None)
    add_event(warehouse, "mail_unsubscribe", at(9), email=A, asm_group_id="13")
    add_event(warehouse, "mail_resubscribe", at(10), email=A)
    assert refusals(warehouse, at(11)) == (None, None, None)


def test_a_suppression_may_block_a_kind(warehouse) -> None:
    consented(warehouse)
    add_suppression(warehouse, A, at(1), blocks="newsletter", reason="退会フォーム")
    assert refusals(warehouse, at(2)) == ("opted_out", None, None)
    assert warehouse.execute("select suppression_reason from leads").fetchall() == [("退会フォーム",)]


def test_soft_bounces_in_a_row_rest_the_address_until_a_delivery_or_for_a_while(warehouse) -> None:
    consented(warehouse)
    for day in (1, 2):
        soft_bounce(warehouse, day)
    soft_bounce(warehouse, 2.5, "s2")  # the same mail, told twice
    assert refusals(warehouse, at(3)) == (None, None, None)
    soft_bounce(warehouse, 4)
    assert refusals(warehouse, at(5)) == ("suppressed",) * 3
    assert warehouse.execute("select blocks, reason, since_at, until_at from lead_suppressions").fetchall() == [
        ("all", "soft_bounces", at(4), at(94))
    ]
    assert refusals(warehouse, at(93.9)) == ("suppressed",) * 3
    assert refusals(warehouse, at(94)) == (None, None, None)  # nothing came in: the rest was over
    assert warehouse.execute("select suppression_reason, consent_state from leads").fetchall() == [(None, "consented")]


def test_a_delivery_ends_a_row_of_soft_bounces(warehouse) -> None:
    consented(warehouse)
    for day in (1, 2):
        soft_bounce(warehouse, day)
    add_event(warehouse, "mail_delivered", at(3), email=A, send_id="s3")
    soft_bounce(warehouse, 4)
    assert refusals(warehouse, at(5)) == (None, None, None)
    for day in (5, 6):
        soft_bounce(warehouse, day)
    assert refusals(warehouse, at(7)) == ("suppressed",) * 3
    add_event(warehouse, "mail_delivered", at(6.5), email=A, send_id="s7", received_at=at(8))
    assert refusals(warehouse, at(9)) == (None, None, None)


def test_soft_bounces_far_apart_are_none_in_a_row(warehouse) -> None:
    consented(warehouse)
    for day in (1, 20, 31.1):
        soft_bounce(warehouse, day)
    assert refusals(warehouse, at(32)) == (None, None, None)
    soft_bounce(warehouse, 33)
    assert refusals(warehouse, at(34)) == ("suppressed",) * 3


def test_a_blocked_domain_and_those_below_it_get_no_marketing_mail(warehouse) -> None:
    for mail in ("a@rival.example", "b@mail.rival.example", "c@notrival.example"):
        add_lead(warehouse, mail)
        add_consent(warehouse, mail)
    recompute(warehouse, at(1))
    found = "select email, newsletter_refusal, trigger_refusal, consent_state, is_suppressed from leads order by email"
    assert warehouse.execute(found).fetchall() == [
        ("a@rival.example", "blocked_domain", "blocked_domain", "consented", False),
        ("b@mail.rival.example", "blocked_domain", "blocked_domain", "consented", False),
        ("c@notrival.example", None, None, "consented", False),
    ]


def test_what_blocks_an_erased_person_outlives_the_address_and_holds_for_one_who_comes_back(warehouse) -> None:
    consented(warehouse)
    add_lead(warehouse, "b@example.com")
    add_consent(warehouse, "b@example.com")
    add_event(warehouse, "mail_unsubscribe", at(1), email=A, mail_kind="newsletter")
    add_suppression(warehouse, A, at(1), blocks="trigger")
    recompute(warehouse, at(2))
    ((lead_id,),) = warehouse.execute("select lead_id from leads where email = ?", [A]).fetchall()
    assert hash_records(warehouse, lead_id, at(2)) == 2
    for table in ("lead_records", "events"):
        warehouse.execute(f"delete from {table} where email = ?", [A])
    recompute(warehouse, at(3))
    assert warehouse.execute("select email, step_refusal from leads").fetchall() == [("b@example.com", None)]
    kept = warehouse.execute("select * from suppression_records union all by name from consent_records").fetchall()
    assert A not in repr([row for row in kept if "b@example.com" not in row])
    proof = warehouse.execute(
        "select mail_kind, basis, evidence from consent_records where email_hash = address_hash(?)", [A]
    ).fetchall()
    assert proof == [("marketing", "opt_in_form", "form v1")]

    add_lead(warehouse, A, at(4))
    assert refusals(warehouse, at(5)) == ("opted_out", "no_consent", "opted_out")
    add_consent(warehouse, A, at(6))
    assert refusals(warehouse, at(7)) == ("opted_out", None, "opted_out")
    add_event(warehouse, "mail_resubscribe", at(8), email=A)
    assert refusals(warehouse, at(9)) == (None, None, None)


def test_a_hash_that_arrives_by_itself_holds_for_a_lead_that_is_there(warehouse) -> None:
    consented(warehouse)
    assert refusals(warehouse, at(1)) == (None, None, None)
    warehouse.execute(
        "insert into suppression_records values ('x', 'erasure', null, null, 'all', 'opt_out', ?, ?, address_hash(?))",
        [at(2), at(2), A],
    )
    assert refusals(warehouse, at(3)) == ("suppressed",) * 3


def test_an_erasure_waits_for_a_recompute_that_has_seen_everything(warehouse) -> None:
    consented(warehouse)
    recompute(warehouse, at(1))
    add_suppression(warehouse, A, at(1))
    with pytest.raises(WarehouseError, match="run `nurture recompute` first"):
        hash_records(warehouse, "L", at(2))


def test_hashes_under_another_key_stop_a_recompute(tmp_path: Path) -> None:
    hashed = AddressHash(SecretStr("old key"))(A)
    for key in (SecretStr("new key"), None):
        with (
            pytest.raises(WarehouseError, match="another NURTURE_SECRET_KEY"),
            open_warehouse(Settings(home=tmp_path / str(key is None), secret_key=key)) as connection,
        ):
            connection.execute(
                "insert into suppression_records values ('x', 'erasure', null, null, 'all', 'opt_out', ?, ?, ?)",
                [at(1), at(1), hashed],
            )
            recompute(connection, at(2))


def test_of_two_who_turn_out_to_be_one_an_opt_out_of_either_holds(warehouse) -> None:
    consented(warehouse)
    add_lead(warehouse, "old@example.com", at(0.1))
    add_suppression(warehouse, "old@example.com", at(1), blocks="step")
    assert refusals(warehouse, at(2)) == (None, None, None)
    for number, mail in enumerate((A, "old@example.com")):
        warehouse.execute(
            "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
            [f"m{number}", mail, at(0.2), at(3)],
        )
    recompute(warehouse, at(4))
    assert warehouse.execute("select newsletter_refusal, step_refusal from leads").fetchall() == [(None, "opted_out")]
