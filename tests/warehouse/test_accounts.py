"""Leads are gathered into companies by 法人番号, mail domain and name, the strongest sign first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from rules.accounts import LEGAL_FORMS
from rules.models import AccountCondition, Accounts, EventCondition, Field, ScoreCondition, Segment, Selector
from settings import Settings
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse
from warehouse.recompute import recompute

NUMBER = "7000012050002"
"""A 法人番号 whose check digit is right."""
SEGMENTS = (
    Segment(id="everyone", label="全員"),
    Segment(
        id="teams",
        label="2名以上",
        where=AccountCondition(kind="people", people=2, asked=EventCondition(on=Selector(event="any"), within_days=14)),
    ),
    Segment(id="warm", label="企業スコア", where=AccountCondition(kind="score", asked=ScoreCondition(at_least=25))),
)
RULES = rule_set(
    fields=(*rule_set().fields, Field(id="corporate_number", label="法人番号", type="corporate_number")),
    accounts=Accounts(
        number_field="corporate_number", legal_forms=LEGAL_FORMS, shared_domains=("mail.example", "other.example")
    ),
    segments=SEGMENTS,
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Settings(home=tmp_path)) as connection:
        yield connection


def derive(connection: duckdb.DuckDBPyConnection, as_of) -> None:
    recompute(connection, RULES, as_of, "http://127.0.0.1:8787")


def companies(connection: duckdb.DuckDBPyConnection) -> list[list[str]]:
    """The addresses of each company's leads."""
    return [
        emails
        for (emails,) in connection.execute(
            "select list(email order by email) from leads where account_id is not null group by account_id order by 1"
        ).fetchall()
    ]


@pytest.mark.parametrize(
    "names",
    [
        [
            "株式会社サンプル",
            "㈱サンプル",
            "(株)サンプル",
            "（株） サンプル",
            "ｻﾝﾌﾟﾙ株式会社",
            "ｶ)ｻﾝﾌﾟﾙ",
            "サンプル",
            "株式会社　サンプル",
        ],
        [
            "Sample Inc.",
            "SAMPLE, INC",
            "sample co., ltd.",
            "Sample Corporation",
            "Sample CO.LTD",
            "Ｓａｍｐｌｅ K.K.",
            "sample",
        ],
        ["一般社団法人サンプル協会", "(一社)サンプル 協会", "サンプル協会"],
    ],
)
def test_spellings_of_a_name_are_one_company(warehouse, names: list[str]) -> None:
    for number, name in enumerate(names):
        add_lead(warehouse, f"p{number}@mail.example", company=name)
    derive(warehouse, at(1))
    assert companies(warehouse) == [[f"p{number}@mail.example" for number in range(len(names))]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("サンプル", "サンプル販売"),
        ("Zinc", "Z"),
        ("Limited Brands", "Brands"),
        ("株式会社", "有限会社"),
        ("Inc.", "LLC"),
    ],
)
def test_other_names_are_other_companies(warehouse, first: str, second: str) -> None:
    add_lead(warehouse, "a@mail.example", company=first)
    add_lead(warehouse, "b@mail.example", company=second)
    derive(warehouse, at(1))
    assert companies(warehouse) in ([["a@mail.example"], ["b@mail.example"]], [])


def test_a_number_is_stronger_than_a_domain_and_a_domain_than_a_name(warehouse) -> None:
    add_lead(warehouse, "a@tokyo.example", company="サンプル", corporate_number=NUMBER)
    add_lead(warehouse, "b@osaka.example", company="サンプル大阪", corporate_number="7000-0120-50002")
    add_lead(warehouse, "c@osaka.example", company="別の名前")
    add_lead(warehouse, "d@mail.example", company="㈱サンプル大阪")
    add_lead(warehouse, "e@mail.example", company="無関係")
    derive(warehouse, at(1))
    assert companies(warehouse) == [
        ["a@tokyo.example", "b@osaka.example", "c@osaka.example", "d@mail.example"], ["e@mail.example"],
    ]  # fmt: skip
    assert warehouse.execute("select corporate_number, leads from accounts order by 1 nulls last").fetchall() == [
        (NUMBER, 4), (None, 1),
    ]  # fmt: skip


def test_a_number_with_a_wrong_check_digit_is_none(warehouse) -> None:
    add_lead(warehouse, "a@one.example", company="甲", corporate_number="8000012050002")
    add_lead(warehouse, "b@two.example", company="乙", corporate_number="8000012050002")
    derive(warehouse, at(1))
    assert companies(warehouse) == [["a@one.example"], ["b@two.example"]]


def test_two_people_of_one_company_within_fourteen_days(warehouse) -> None:
    for name in "abc":
        add_lead(warehouse, f"{name}@one.example", company="甲")
    add_lead(warehouse, "z@two.example", company="乙")
    add_event(warehouse, "document_download", at(1), email="a@one.example", asset="guide")
    add_event(warehouse, "document_download", at(5), email="b@one.example", asset="guide")
    add_event(warehouse, "document_download", at(6), email="z@two.example", asset="guide")
    derive(warehouse, at(30))
    stays = "select email, entered_at, left_at from segment_members join leads using (lead_id) where segment = 'teams'"
    # all three are of the company, the silent one among them, until the first act is two weeks old
    assert warehouse.execute(f"{stays} order by 1").fetchall() == [
        (f"{name}@one.example", at(5), at(15)) for name in "abc"
    ]
    # the company's own score, and a colleague who joins late
    assert warehouse.execute("select score, leads from accounts where name = '甲'").fetchall() == [(20, 3)]
    add_event(warehouse, "page_view", at(31), email="c@one.example", url="/price")
    add_lead(warehouse, "d@one.example", at(32), company="甲")
    derive(warehouse, at(40))
    assert warehouse.execute("select score, leads from accounts where name = '甲'").fetchall() == [(35, 4)]
    warm = "select email, entered_at from segment_members join leads using (lead_id) where segment = 'warm' order by 1"
    assert warehouse.execute(warm).fetchall() == [
        ("a@one.example", at(31)), ("b@one.example", at(31)), ("c@one.example", at(31)), ("d@one.example", at(32)),
    ]  # fmt: skip


def test_a_lead_that_changes_companies_leaves_one_and_joins_the_other(warehouse) -> None:
    add_lead(warehouse, "a@mail.example", company="甲")
    add_lead(warehouse, "b@other.example", company="乙")
    derive(warehouse, at(1))
    add_lead(warehouse, "a@mail.example", at(2), company="株式会社乙")
    derive(warehouse, at(3))
    assert companies(warehouse) == [["a@mail.example", "b@other.example"]]
    assert warehouse.execute("select count(*) from accounts").fetchone() == (1,)
    spans = "select valid_from, isfinite(valid_to) from lead_accounts join leads using (lead_id) where email like 'a@%'"
    assert sorted(warehouse.execute(spans).fetchall()) == [(START, True), (at(2), False)]
