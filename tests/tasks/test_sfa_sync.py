"""Leads stand in the SFA as they stand here, and what sales corrects comes back; nothing is lost, nothing goes round."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from rules.models import ReturnReason, RuleSet, SfaSync, SyncedField
from tasks.errors import RunError
from tasks.sfa_sync import sync_sfa
from tests.facts import START, add_event, add_lead, at
from tests.rule_sets import rule_set
from tests.world import World, stand_in


def rules_of(*fields: tuple[str, str], **changes: object) -> RuleSet:
    synced = tuple(SyncedField(field=name, wins=wins) for name, wins in fields)
    return rule_set(active_from=START, sfa=SfaSync(fields=synced), **changes)


RULES = rules_of(("name", "newer"), ("company", "ma"), ("title", "sfa"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        yield World(tmp_path, server)


def sync(world: World, when: datetime, rules: RuleSet = RULES) -> dict[str, int]:
    world.recompute(rules, when)
    return sync_sfa(world.settings, rules, when)


def sfa(world: World, query: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(world.home / "sfa.db")) as connection:
        rows = connection.execute(query, values).fetchall()
        connection.commit()
    return rows


def sales_edits(world: World, when: datetime, of: str = "a@example.com", /, **values: str | None) -> None:
    changed = ", ".join(f"{name} = ?" for name in values)
    assert sfa(world, "select count(*) from leads where email = ?", of) == [(1,)]
    sfa(world, f"update leads set {changed}, updated_at = ? where email = ?", *values.values(), when.isoformat(), of)


def told(world: World, when: datetime, email: str = "a@example.com", **values: str) -> None:
    world.facts(lambda connection: add_lead(connection, email, when, **values))


def here(world: World, column: str, email: str = "a@example.com") -> object:
    return world.warehouse(f"select {column} from leads where email = '{email}'")[0][0]


def kept_here(world: World, field: str) -> object:
    """A field as it is told, whatever its type."""
    return world.warehouse(f"select attributes['{field}'] from lead_attributes")[0][0]


def there(world: World, column: str, email: str = "a@example.com") -> object:
    return sfa(world, f"select {column} from leads where email = ?", email)[0][0]


def test_leads_go_to_the_sfa_with_score_tier_stage_last_action_and_reasons(world: World) -> None:
    told(world, START, name="山田太郎", company="株式会社山田", title="部長")
    world.facts(lambda connection: add_event(connection, "page_view", at(1), email="a@example.com", url="/price"))
    assert sync(world, at(2))["leads_written"] == 1
    assert sfa(
        world, "select email, name, company, title, score, tier, stage, last_action_at, top_reasons from leads"
    ) == [
        (
            "a@example.com", "山田太郎", "株式会社山田", "部長", 15, "cold", "consideration",
            "2026-04-02T00:00:00+00:00", "価格ページ(+15)",
        )
    ]  # fmt: skip


def test_what_has_not_changed_is_not_written_again(world: World) -> None:
    told(world, START, name="山田太郎")
    sync(world, at(1))
    for day in (2, 3):
        counts = sync(world, at(day))
        assert (counts["leads"], counts["leads_written"], counts["corrections"]) == (0, 0, 0)
    told(world, at(3), name="山田次郎")
    assert sync(world, at(4))["leads_written"] == 1
    assert there(world, "name") == "山田次郎"


def test_a_correction_of_sales_comes_back_and_goes_round_no_further(world: World) -> None:
    told(world, START, name="山田太郎", company="山田")
    sync(world, at(1))
    sales_edits(world, at(1.5), name="山田 太郎")
    assert sync(world, at(2))["corrections"] == 1
    world.recompute(RULES, at(2.1))
    assert here(world, "name") == "山田 太郎"
    counts = [sync(world, at(day)) for day in (3, 4)]
    assert [(one["corrections"], one["leads_written"], one["conflicts"]) for one in counts] == [(0, 0, 0)] * 2
    assert there(world, "name") == "山田 太郎"


def test_a_correction_is_not_undone_before_it_is_recomputed(world: World) -> None:
    told(world, START, name="山田太郎")
    sync(world, at(1))
    sales_edits(world, at(1.5), name="山田 太郎")
    sync(world, at(2))
    sync_sfa(world.settings, RULES, at(2))
    sync_sfa(world.settings, RULES, at(2.5))
    assert there(world, "name") == "山田 太郎"
    sync(world, at(3))
    assert (here(world, "name"), there(world, "name")) == ("山田 太郎", "山田 太郎")


@pytest.mark.parametrize(
    ("field", "is_ours_later", "winner"),
    [
        ("name", True, "ma"),
        ("name", False, "sfa"),
        ("company", False, "ma"),
        ("company", True, "ma"),
        ("title", True, "sfa"),
        ("title", False, "sfa"),
    ],
)
def test_where_both_sides_changed_the_rule_decides_and_the_other_value_is_kept(
    world: World, field: str, is_ours_later: bool, winner: str
) -> None:
    told(world, START, name="元", company="元", title="元")
    sync(world, at(1))
    ours_at, theirs_at = (at(1.8), at(1.5)) if is_ours_later else (at(1.5), at(1.8))
    told(world, ours_at, **{field: "こちら"})
    sales_edits(world, theirs_at, **{field: "あちら"})
    assert sync(world, at(2))["conflicts"] == 1
    stands = "こちら" if winner == "ma" else "あちら"
    for day in (3, 4):
        counts = sync(world, at(day))
        assert (counts["conflicts"], counts["leads_written"]) == (0, 0)
        assert (here(world, field), there(world, field)) == (stands, stands)
    assert world.ledger(
        "select field, ours, theirs, agreed, ours_changed_at, theirs_changed_at, winner from sfa_conflicts"
    ) == [(field, "こちら", "あちら", "元", ours_at, theirs_at, winner)]


def test_both_sides_changing_different_fields_is_no_conflict(world: World) -> None:
    told(world, START, name="元", company="元", title="元")
    sync(world, at(1))
    told(world, at(1.5), name="こちら")
    sales_edits(world, at(1.6), company="あちら")
    counts = sync(world, at(2))
    assert (counts["conflicts"], counts["corrections"], counts["leads_written"]) == (0, 1, 1)
    sync(world, at(3))
    assert [here(world, name) for name in ("name", "company")] == ["こちら", "あちら"]
    assert [there(world, name) for name in ("name", "company")] == ["こちら", "あちら"]


def test_both_sides_changing_to_the_same_is_no_conflict(world: World) -> None:
    told(world, START, name="元")
    sync(world, at(1))
    told(world, at(1.5), name="同じ")
    sales_edits(world, at(1.6), name="同じ")
    counts = sync(world, at(2))
    assert (counts["conflicts"], counts["corrections"], counts["leads_written"]) == (0, 0, 0)


def test_an_empty_value_never_wins(world: World) -> None:
    told(world, START, name="山田")
    sync(world, at(1))
    sales_edits(world, at(1.5), name=None, title="課長")
    sync(world, at(2))
    sync(world, at(3))
    assert (here(world, "name"), there(world, "name")) == ("山田", "山田")
    assert (here(world, "title"), there(world, "title")) == ("課長", "課長")


def test_a_change_of_sales_between_reading_and_writing_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.clients.sfa.sql import SqlSfa

    told(world, START, name="元", company="元")
    sync(world, at(1))
    told(world, at(1.5), company="こちら")
    write = SqlSfa.write_leads

    def meanwhile(self, leads):
        sales_edits(world, at(1.9), company="あちら", name="新しい名")
        monkeypatch.setattr(SqlSfa, "write_leads", write)
        return write(self, leads)

    monkeypatch.setattr(SqlSfa, "write_leads", meanwhile)
    assert sync(world, at(2))["leads_written"] == 0
    assert there(world, "company") == "あちら"
    assert sync(world, at(3))["conflicts"] == 1
    sync(world, at(4))
    assert (here(world, "company"), there(world, "company")) == ("こちら", "こちら")
    assert (here(world, "name"), there(world, "name")) == ("新しい名", "新しい名")


def test_a_text_cut_to_its_columns_width_does_not_come_back(world: World) -> None:
    long = "部" * 230
    told(world, START, name="山田", title=long)
    sync(world, at(1))
    assert there(world, "title") == long[:200]
    sales_edits(world, at(1.5), name="山田次郎")
    for day in (2, 3):
        assert sync(world, at(day))["leads_written"] == 0
    assert (here(world, "title"), here(world, "name"), there(world, "title")) == (long, "山田次郎", long[:200])
    # a change of one side is one, and no conflict
    sales_edits(world, at(3.5), title="部長")
    assert sync(world, at(4))["conflicts"] == 0
    sync(world, at(5))
    assert (here(world, "title"), there(world, "title")) == ("部長", "部長")
    told(world, at(5.5), title=long)
    assert sync(world, at(6))["leads_written"] == 1
    assert sync(world, at(7))["leads_written"] == 0
    assert (here(world, "title"), there(world, "title")) == (long, long[:200])
    told(world, at(7.5), title="課長")
    sync(world, at(8))
    assert there(world, "title") == "課長"


def test_what_sales_deleted_is_not_made_again(world: World) -> None:
    told(world, START, name="元")
    told(world, START, "b@example.com", name="元")
    sync(world, at(1))
    sales_edits(world, at(1.5), deleted_at=at(1.5).isoformat())
    sfa(world, "delete from leads where email = 'b@example.com'")
    for email in ("a@example.com", "b@example.com"):
        told(world, at(1.6), email, name="新しい名")
    for day in (2, 3):
        assert sync(world, at(day))["leads_written"] == 0
    assert sfa(world, "select email, name from leads") == [("a@example.com", "元")]
    assert world.ledger("select email, state from sfa_leads order by 1") == [
        ("a@example.com", "deleted"), ("b@example.com", "deleted"),
    ]  # fmt: skip


def test_two_leads_that_turn_out_to_be_one_are_one_in_the_sfa(world: World) -> None:
    for email, name in (("a@example.com", "山田"), ("b@example.com", "山田二")):
        told(world, START, email, name=name)
    sync(world, at(1))

    def tie(connection):
        for email in ("a@example.com", "b@example.com"):
            connection.execute(
                "insert into lead_records values (?, 'crm', 'crm:1', ?, null, ?, ?, map {}, null)",
                [f"tie {email}", email, at(1.5), at(1.5)],
            )

    world.facts(tie)
    sync(world, at(2))
    ((kept, merged),) = [
        (lead_id, [one for one, into in sfa(world, "select lead_id, merged_into from leads") if into == lead_id])
        for (lead_id,) in world.warehouse("select lead_id from leads")
    ]
    assert len(merged) == 1
    told(world, at(2.5), "b@example.com", name="山田三")
    sync(world, at(3))
    assert sfa(world, "select name from leads where lead_id = ?", kept) == [("山田三",)]
    assert sfa(world, "select count(*) from leads where name = '山田三'") == [(1,)]


def test_two_rows_that_sales_makes_one_are_one_lead_here(world: World) -> None:
    for email in ("a@example.com", "b@example.com"):
        told(world, START, email, name="山田")
        world.facts(lambda connection, email=email: add_event(
            connection, "document_download", at(0.5), email=email, asset="guide"
        ))  # fmt: skip
    sync(world, at(1))
    ((kept,),) = sfa(world, "select lead_id from leads where email = 'b@example.com'")
    sales_edits(world, at(1.5), merged_into=kept)
    sync(world, at(2))
    world.recompute(RULES, at(3))
    assert world.warehouse("select score from leads") == [(20,)]
    for day in (4, 5):
        sync(world, at(day))
    assert sfa(world, "select count(*) from leads where merged_into is null") == [(1,)]


def test_an_address_corrected_by_sales_is_another_of_the_same_person(world: World) -> None:
    told(world, START, "typo@example.com", name="山田")
    sync(world, at(1))
    sales_edits(world, at(1.5), "typo@example.com", email="Right@Example.com")
    sync(world, at(2))
    world.recompute(RULES, at(3))
    assert world.warehouse("select email, name from leads") == [("right@example.com", "山田")]
    counts = sync(world, at(4))
    assert (counts["corrections"], counts["conflicts"]) == (0, 0)


def test_an_address_corrected_to_another_leads_makes_the_two_no_one(world: World) -> None:
    for email in ("a@example.com", "b@example.com"):
        told(world, START, email, name="山田")
    sync(world, at(1))
    ((row,),) = sfa(world, "select lead_id from leads where email = 'a@example.com'")
    sales_edits(world, at(1.5), email="B@example.com")
    counts = sync(world, at(2))
    assert (counts["corrections"], counts["conflicts"], counts["waiting"]) == (0, 1, 1)
    assert world.ledger("select field, ours, theirs, winner from sfa_conflicts") == [
        ("email", "a@example.com", "b@example.com", "none")
    ]
    told(world, at(2.5), name="山田太郎")
    for day in (3, 4):
        assert sync(world, at(day))["conflicts"] == 0
    assert world.warehouse("select email from leads order by 1") == [("a@example.com",), ("b@example.com",)]
    assert sfa(world, "select email, name from leads where lead_id = ?", row) == [("B@example.com", "山田太郎")]
    # who says that the two are one says so by merging their rows
    ((kept,),) = sfa(world, "select lead_id from leads where lead_id != ?", row)
    sfa(world, "update leads set merged_into = ?, updated_at = ? where lead_id = ?", kept, at(4.5).isoformat(), row)
    sync(world, at(5))
    world.recompute(RULES, at(6))
    assert world.warehouse("select count(*) from leads") == [(1,)]


TYPED = rules_of(
    ("employees", "sfa"), ("industry", "newer"), ("topics", "newer"), ("title", "sfa"),
    fields=tuple(
        field.model_copy(update={"type": "choice", "values": ("製造業", "IT")}) if field.id == "industry"
        else field.model_copy(update={"values": ("a", "b")}) if field.id == "topics" else field
        for field in rule_set().fields
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("field", "ours", "unfit", "fit", "comes_as"),
    [
        ("employees", "50", "約100名", "１００", "100"),
        ("industry", "製造業", "宇宙", "IT", "IT"),
        ("topics", "a", "a;x", "a、b", "a;b"),
    ],
)
def test_a_correction_that_does_not_fit_its_field_waits_and_is_told_once(
    world: World, field: str, ours: str, unfit: str, fit: str, comes_as: str
) -> None:
    told(world, START, **{field: ours}, title="課長")
    sync(world, at(1), TYPED)
    sales_edits(world, at(1.5), **{field: unfit}, title="部長")
    counts = sync(world, at(2), TYPED)
    assert (counts["corrections"], counts["conflicts"], counts["waiting"]) == (1, 1, 1)
    assert world.ledger("select field, ours, theirs, winner from sfa_conflicts") == [(field, ours, unfit, "none")]
    world.facts(lambda connection: add_event(connection, "page_view", at(2.5), email="a@example.com", url="/price"))
    sync(world, at(3), TYPED)
    sales_edits(world, at(3.5), title="次長")
    counts = sync(world, at(4), TYPED)
    assert (counts["conflicts"], kept_here(world, field), there(world, field)) == (0, ours, unfit)
    assert (here(world, "title"), there(world, "score")) == ("部長", 15)
    sales_edits(world, at(4.5), **{field: fit})
    assert sync(world, at(5), TYPED)["corrections"] == 1
    for day in (6, 7):
        sync(world, at(day), TYPED)
    assert (kept_here(world, field), there(world, field)) == (comes_as, comes_as)


def test_a_later_change_here_ends_the_wait_where_the_rule_says_so(world: World) -> None:
    told(world, START, industry="製造業")
    sync(world, at(1), TYPED)
    sales_edits(world, at(1.5), industry="宇宙")
    sync(world, at(2), TYPED)
    told(world, at(2.5), industry="IT")
    assert sync(world, at(3), TYPED)["conflicts"] == 1
    assert there(world, "industry") == "IT"
    assert world.ledger("select ours, theirs, winner from sfa_conflicts order by found_at") == [
        ("製造業", "宇宙", "none"), ("IT", "宇宙", "ma"),
    ]  # fmt: skip


def test_the_same_conflict_at_another_time_is_another_and_a_run_that_died_finds_it_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.clients.sfa.sql import SqlSfa

    told(world, START, company="元")
    sync(world, at(1))
    write = SqlSfa.write_leads

    def dies(self, leads):
        monkeypatch.setattr(SqlSfa, "write_leads", write)
        write(self, leads)
        raise RuntimeError

    for day in (2, 6):
        told(world, at(day - 0.6), company="こちら")
        sales_edits(world, at(day - 0.5), company="あちら")
        monkeypatch.setattr(SqlSfa, "write_leads", dies)
        world.recompute(RULES, at(day))
        with pytest.raises(RuntimeError):
            sync_sfa(world.settings, RULES, at(day))
        sync(world, at(day))
        told(world, at(day + 0.5), company="元")
        sync(world, at(day + 1))
    assert world.ledger("select ours, theirs, agreed, ours_changed_at, winner from sfa_conflicts order by 4") == [
        ("こちら", "あちら", "元", at(day - 0.6), "ma") for day in (2, 6)
    ]


def test_deals_come_back_and_open_deals_are_known(world: World) -> None:
    told(world, START, name="山田")
    sync(world, at(1))
    ((lead_id,),) = sfa(world, "select lead_id from leads")
    insert = (
        "insert into deals (deal_id, lead_id, name, owner, status, amount, updated_at) values (?, ?, ?, ?, ?, ?, ?)"
    )
    sfa(world, insert, "D1", lead_id, "山田様", "sato", "open", 1200000, at(1.2).isoformat())
    sfa(world, insert, "D2", lead_id, "だめ", "sato", "maybe", 1, at(1.2).isoformat())
    with pytest.raises(RunError, match="deals row D2 has status 'maybe'; allowed: open, won, lost"):
        sync(world, at(2))
    world.recompute(RULES, at(2.1))
    assert world.warehouse("select deal_id, status, amount from deals") == [("D1", "open", 1200000)]
    sfa(world, "update deals set status = 'won', updated_at = ? where deal_id = 'D1'", at(2.5).isoformat())
    sfa(world, "delete from deals where deal_id = 'D2'")
    sync(world, at(3))
    world.recompute(RULES, at(3.1))
    assert world.warehouse("select status, won_at from deals") == [("won", at(2.5))]


def test_only_members_of_the_segment_go_to_the_sfa_and_whoever_was_handed_off(world: World) -> None:
    rules = RULES.model_copy(update={"sfa": SfaSync(segment="manufacturing_heads")})
    told(world, START, industry="製造業", title="部長")
    told(world, START, "b@example.com", industry="IT", title="部長")
    told(world, START, "c@example.com", industry="IT")
    world.facts(lambda connection: add_event(connection, "consultation_request", at(1), email="c@example.com"))
    world.hand_off(rules, at(2))
    assert sfa(world, "select email from leads order by 1") == [("a@example.com",), ("c@example.com",)]


def test_a_table_of_before_gets_the_columns_it_lacks(world: World) -> None:
    sfa(world, "create table leads (lead_id varchar primary key, email varchar, name varchar, updated_at varchar)")
    told(world, START, name="山田", title="部長")
    sync(world, at(1))
    assert there(world, "title") == "部長"


def test_an_instant_of_sales_in_another_zone_is_read(world: World) -> None:
    told(world, START, name="元")
    sync(world, at(1))
    sales_edits(world, at(1.5), name="一")
    sync(world, at(2))
    sfa(world, "update leads set name = '二', updated_at = '2026-04-03T08:30:00+09:00'")
    sync(world, at(3))
    sync(world, at(4))
    assert here(world, "name") == "二"


def test_a_reason_for_giving_a_lead_back_is_words_there_and_an_id_here(world: World) -> None:
    reasons = (ReturnReason(id="too_early", label="時期尚早"), ReturnReason(id="no_budget", label="予算なし"))
    rules = rules_of(handoff=rule_set().handoff.model_copy(update={"return_reasons": reasons}))
    told(world, START, name="山田太郎")
    world.facts(lambda connection: add_event(connection, "consultation_request", at(1), email="a@example.com"))
    world.hand_off(rules, at(2))
    sfa(
        world,
        "update handoffs set status = 'returned', reject_reason = '時期尚早', updated_at = ?",
        at(2, hours=1).isoformat(),
    )
    world.hand_off(rules, at(3))
    assert world.ledger("select status, reject_reason from handoffs") == [("returned", "too_early")]
    told_by_link = {"handoff_id": world.ledger("select handoff_id from handoffs")[0][0], "source": "link"}
    world.facts(
        lambda connection: add_event(
            connection, "sales_follow_up", at(3, hours=1), email="a@example.com", status="returned",
            reject_reason="no_budget", **told_by_link,
        )
    )  # fmt: skip
    world.hand_off(rules, at(4))
    world.hand_off(rules, at(5))
    assert world.ledger("select reject_reason from handoffs") == [("no_budget",)]
    assert sfa(world, "select reject_reason from handoffs") == [("予算なし",)]


def test_at_the_second_limit_the_lead_goes_with_its_handoff_once_and_what_sales_chooses_after_stays(
    world: World,
) -> None:
    rules = rule_set(active_from=START, handoff=RULES.handoff.model_copy(update={"reassigns": True}))
    told(world, START, name="山田太郎")

    def asks(when: datetime) -> None:
        world.facts(lambda connection: add_event(connection, "consultation_request", when, email="a@example.com"))

    def owners(when: datetime) -> tuple[object, object]:
        world.recompute(rules, when)
        world.hand_off(rules, when)
        ((mine,),) = world.ledger("select owner from handoffs order by caused_at desc limit 1")
        return mine, there(world, "owner")

    asks(at(1))
    first, _ = owners(at(1, hours=1))
    second, its_lead = owners(at(1, hours=80))
    assert second == its_lead != first
    asks(at(6))
    assert owners(at(6, hours=1)) == (second, second)
    sales_edits(world, at(6, hours=2), owner=str(first))
    for day in (7, 8):
        assert there(world, "owner") == first
        owners(at(day))
    asks(at(9))
    assert owners(at(9, hours=1)) == (first, first)
