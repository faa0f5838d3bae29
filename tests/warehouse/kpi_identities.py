"""What has to hold between the KPI tables and the rows they are counted from, said in pandas and plain counts."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

from tests.warehouse.frames import Published, as_dates, near, same

TAKEN = ("accepted", "delivered", "bounced", "dropped")
RATES = {
    "open_rate": ("opened", "delivered"),
    "click_rate": ("clicked", "delivered"),
    "click_to_open_rate": ("clicked", "opened"),
    "conversion_rate": ("converted", "delivered"),
}
STATUSES = {
    "waiting": ("new", "accepted"), "contacted": ("contacted",), "meetings": ("meeting",), "won": ("won",),
    "lost": ("lost",), "returned": ("returned",),
}  # fmt: skip


def check_figures(found: Published) -> None:
    """Hold every table of figures against the rows it is counted from."""
    for check in (
        mails_agree_with_sends_and_decisions, rates_recompute, programs_are_not_counted, the_funnel_flows,
        the_funnel_agrees, segments_agree_with_members, handoffs_agree, tests_recompute, days_add_up_to_weeks,
    ):  # fmt: skip
        check(found)


def mails_agree_with_sends_and_decisions(found: Published) -> None:
    tables = found.tables
    decisions = tables["send_decisions"].query("is_final")
    keyed = decisions[["send_id", "scenario", "step", "variant", "segment", "decided_at"]].merge(
        tables["sends"].drop(columns=["scenario", "step", "variant", "segment"]), on="send_id", how="left"
    )
    keyed["date"] = found.local(keyed["sent_at"].fillna(keyed["decided_at"]))
    flags = {
        "targeted": keyed["send_id"].notna(),
        "sent": keyed["state"].isin(TAKEN),
        "delivered": keyed["delivered_at"].notna(),
        "opened": keyed["opened_at"].notna(),
        "clicked": keyed["clicked_at"].notna(),
        "bounced": keyed["state"] == "bounced",
        "unsubscribed": keyed["unsubscribed_at"].notna(),
        "complained": keyed["complained_at"].notna(),
    }
    keys = ["date", "scenario", "step", "variant", "segment"]
    expected = keyed[keys].assign(**flags).groupby(keys, as_index=False, dropna=False).sum()
    same(as_dates(tables["kpi_mail_daily"], "date"), expected, keys)
    reasons = decisions["decision"].value_counts()
    assert reasons.sum() == tables["kpi_mail_daily"]["targeted"].sum()
    assert reasons.get("sent", 0) == len(tables["sends"])  # each key that is sent was claimed, and no other
    left = found.world.ledger(f"select count(*) from sends where state in {TAKEN}")
    assert left == [(tables["kpi_mail_daily"]["sent"].sum(),)]


def rates_recompute(found: Published) -> None:
    mails = found.tables["kpi_mail_daily"]
    for rate, (part, whole) in RATES.items():
        counts = mails[[part, whole]].astype(float)
        expected = counts[part].div(counts[whole].where(counts[whole] > 0))
        pd.testing.assert_series_equal(mails[rate].astype(float), expected, check_names=False)
        assert mails[rate].dropna().between(0, 1).all()
    assert (mails["clicked"] <= mails["opened"]).all()  # a click proves an open
    asks = mails.merge(found.tables["steps"][["scenario", "step", "has_cta"]], how="left")["has_cta"].fillna(False)
    assert (mails["converted"].notna().to_numpy() == asks.to_numpy(dtype=bool)).all()


def programs_are_not_counted(found: Published) -> None:
    """An open or click is of a person, by the facts themselves."""
    told = found.world.warehouse(
        """
        select
            events.send_id, event_type, occurred_at,
            coalesce(properties['sg_machine_open'] = 'true', false) or scanner_clicks.event_id is not null
        from events
        left join scanner_clicks on events.event_id = scanner_clicks.event_id
        where event_type in ('mail_open', 'mail_click')
        """
    )
    people: dict[str, dict[str, datetime]] = {}
    for send_id, kind, when, is_machine in sorted(told, key=lambda row: row[2], reverse=True):
        if not is_machine:
            people.setdefault(send_id, {})[kind] = when
    sends = found.rows("select send_id, opened_at, clicked_at from sends where delivered_at is not null")
    for send_id, opened_at, clicked_at in sends:
        did = people.get(send_id, {})
        assert clicked_at == did.get("mail_click")
        assert opened_at == min(did.values(), default=None)
    opened = sum(send_id in people for send_id, _, _ in sends)
    assert found.tables["kpi_mail_daily"]["opened"].sum() == opened


def the_funnel_flows(found: Published) -> None:
    funnel = found.tables["kpi_funnel_daily"].sort_values(["stage", "date"])
    assert (funnel["leads_in"] + funnel["entered"] - funnel["moved_on"] == funnel["leads"]).all()
    before = funnel.groupby("stage")["leads"].shift(fill_value=0)
    assert (funnel["leads_in"] == before).all()
    assert (funnel["hot_leads"] <= funnel["leads"]).all()
    assert (funnel["hot_leads"] >= 0).all()


def the_funnel_agrees(found: Published) -> None:
    """With the leads as they are, with each change of stage, and with what sales and deals came to."""
    tables = found.tables
    funnel, changes = as_dates(tables["kpi_funnel_daily"], "date"), tables["lead_stage_changes"]
    last = funnel[funnel["date"] == funnel["date"].max()].set_index("stage")
    stages = tables["leads"].groupby("stage").size()
    hot = tables["leads"].query("tier == 'hot'").groupby("stage").size()
    assert {stage: number for stage, number in last["leads"].items() if number} == stages.to_dict()
    assert {stage: number for stage, number in last["hot_leads"].items() if number} == hot.to_dict()
    came = changes.assign(date=found.local(changes["changed_at"]))
    for column, of_stage in (("entered", "to_stage"), ("moved_on", "from_stage")):
        counted = came.groupby(["date", of_stage]).size()
        told = funnel.set_index(["date", "stage"])[column]
        assert told[told > 0].to_dict() == counted.to_dict()
    handoffs, deals = tables["handoffs"], tables["deals"].query("status == 'won'")
    assert funnel["handoffs"].sum() == len(handoffs)
    assert funnel["meetings"].sum() == (handoffs["met_at"] <= pd.Timestamp(found.as_of)).sum()
    owned = deals[deals["lead_id"].notna()]
    for column, numbers in (("deals_won", owned["deal_id"].notna()), ("amount", owned["amount"].fillna(0))):
        by_day = numbers.groupby(found.local(owned["won_at"])).sum()
        told = funnel.groupby("date")[column].sum()
        near(told[told > 0], by_day[by_day > 0])


def segments_agree_with_members(found: Published) -> None:
    """At the end of each day, counted member by member."""
    tables = found.tables
    tiers = tables["lead_tier_changes"].assign(date=found.local(tables["lead_tier_changes"]["changed_at"]))
    members = tables["segment_members"]
    stays = members.assign(came=found.local(members["entered_at"]), left=found.local(members["left_at"]))
    told = as_dates(tables["kpi_segment_daily"], "date").set_index(["date", "segment", "tier"])["leads"].to_dict()
    days = sorted({day for day, _, _ in told})
    today = found.local(pd.Series([pd.Timestamp(found.as_of)]))[0]
    assert days[-1] == today
    counted: dict[tuple[date, str, str], int] = {}
    for day in days:
        present = stays[(stays["came"] <= day) & (stays["left"].isna() | (stays["left"].map(str) > str(day)))]
        now = tiers[tiers["date"] <= day].sort_values("changed_at").groupby("lead_id")["to_tier"].last()
        for row in present.itertuples():
            key = (day, str(row.segment), str(now[row.lead_id]))
            counted[key] = counted.get(key, 0) + 1
    assert told == counted


def handoffs_agree(found: Published) -> None:
    handoffs = found.tables["handoffs"]
    by_day = as_dates(found.tables["kpi_handoff_daily"], "date")
    if handoffs.empty:
        assert by_day.empty
        return
    assert (by_day[list(STATUSES)].sum(axis=1) == by_day["handed_off"]).all()
    as_of = pd.Timestamp(found.as_of)
    returned_at = handoffs["status_changed_at"].where(handoffs["status"] == "returned")
    answered_at = handoffs["first_contact_at"].fillna(returned_at).fillna(as_of)
    keyed = pd.DataFrame(
        {
            "date": found.local(handoffs["handed_off_at"]),
            "owner": handoffs["first_owner"],
            "handed_off": 1,
            "contacted_within_limit": handoffs["first_contact_at"] <= handoffs["due_at"],
            "breached": answered_at > handoffs["due_at"],
            "reassigned": handoffs["reassigned_at"].notna(),
            **{name: handoffs["status"].isin(statuses) for name, statuses in STATUSES.items()},
        }
    )
    keys = ["date", "owner"]
    same(by_day, keyed.groupby(keys, as_index=False, dropna=False).sum(), keys)
    waited = (handoffs["first_contact_at"] - handoffs["caused_at"]).dt.total_seconds() / 3600
    hours = (
        keyed[keys].assign(median_hours_to_first_contact=waited).groupby(keys, as_index=False, dropna=False).median()
    )
    same(by_day, hours, keys)


def tests_recompute(found: Published) -> None:
    tests = found.tables["kpi_ab_tests"]
    assert (tests["reached"] <= tests["measured"]).all()
    counted = tests["reached"].astype(float).div(tests["measured"].where(tests["measured"] > 0))
    pd.testing.assert_series_equal(tests["rate"].astype(float), counted.astype(float), check_names=False)
    held = tests[tests["test"].str.startswith("holdout")].groupby("test")["measured"].sum()
    (leads,) = found.world.ledger("select count(*) from holdout")
    assert (held <= leads[0]).all()


def days_add_up_to_weeks(found: Published) -> None:
    """The sum of a week's days is what the rows themselves count in that week."""
    local = f"at time zone '{found.zone}'"
    taken = f"state in {TAKEN}"
    when = f"timestamptz '{found.as_of.isoformat()}'"
    final = "send_decisions left join sends using (send_id) where is_final"
    rows = {
        "targeted": ("kpi_mail_daily", f"coalesce(sent_at, decided_at) {local}", "1", final),
        "sent": ("kpi_mail_daily", f"sent_at {local}", "1", f"sends where {taken}"),
        "delivered": (
            "kpi_mail_daily", f"coalesce(sent_at, decided_at) {local}", "(delivered_at is not null)::int", final
        ),
        "opened": ("kpi_mail_daily", f"coalesce(sent_at, decided_at) {local}", "(opened_at is not null)::int", final),
        "entered": ("kpi_funnel_daily", f"changed_at {local}", "1", "lead_stage_changes"),
        "handoffs": ("kpi_funnel_daily", f"handed_off_at {local}", "1", "handoffs"),
        "meetings": ("kpi_funnel_daily", f"met_at {local}", "1", f"handoffs where met_at <= {when}"),
        "deals_won": ("kpi_funnel_daily", f"won_at {local}", "1", "deals where status = 'won' and lead_id is not null"),
        "amount": (
            "kpi_funnel_daily", f"won_at {local}", "amount", "deals where status = 'won' and lead_id is not null"
        ),
        "handed_off": ("kpi_handoff_daily", f"handed_off_at {local}", "1", "handoffs"),
        **{
            f"{model}_{what}": ("kpi_attribution_daily", f"won_at {local}", number, "deals where status = 'won'")
            for model in ("first", "last", "linear")
            for what, number in (("deals", "1"), ("amount", "amount"))
        },
    }  # fmt: skip
    for column, (table, instant, number, source) in rows.items():
        days, whole = (
            dict(found.rows(f"select week, number from ({query}) where round(number, 6) != 0"))
            for query in (
                f"select date_trunc('week', date)::date as week, sum({column})::double as number from {table} group by 1",
                f"select date_trunc('week', {instant})::date as week, sum({number})::double as number from {source}"
                " group by 1",
            )
        )
        assert days.keys() == whole.keys(), (column, days, whole)
        assert all(abs(days[week] - whole[week]) < 1e-6 for week in days), (column, days, whole)
