"""What has to hold between the published tables, said in pandas and plain counts beside the SQL that made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from tests.world import World

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
STEPS = ("mailed_at", "clicked_at", "hot_at", "handed_off_at", "met_at", "deal_at", "won_at")


@dataclass
class Published:
    """One publication, and the world whose it is."""

    path: Path
    world: World
    as_of: datetime

    def __post_init__(self) -> None:
        self.zone = str(self.world.settings.timezone)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
            return {name: connection.execute(f"from {name}").df() for name in names}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def local(self, instants: pd.Series[Any]) -> pd.Series[Any]:
        """The local dates of instants."""
        return instants.dt.tz_convert(self.zone).dt.date

    def months(self, instants: pd.Series[Any]) -> pd.Series[Any]:
        return self.local(instants).map(lambda day: day.replace(day=1))


def as_dates(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A frame whose dates are dates, as pandas has them not."""
    return frame.assign(**{column: pd.to_datetime(frame[column]).dt.date})


def same(found: pd.DataFrame, expected: pd.DataFrame, keys: Sequence[str]) -> None:
    """Whether two frames hold the same rows, in whatever order."""
    columns = list(expected.columns)
    plain = [
        frame[columns].astype(dict.fromkeys(keys, str)).sort_values(list(keys)).reset_index(drop=True)
        for frame in (found, expected)
    ]
    for column in set(columns) - set(keys):
        for frame in plain:
            frame[column] = pd.to_numeric(frame[column]).astype(float)
    pd.testing.assert_frame_equal(*plain, check_exact=False, rtol=1e-9, atol=1e-9)


def check_all(found: Published) -> None:
    """Hold every table against those beside it."""
    for check in (
        mails_agree_with_sends_and_decisions, rates_recompute, programs_are_not_counted, the_funnel_flows,
        the_funnel_agrees, segments_agree_with_members, handoffs_agree, tests_recompute, days_add_up_to_weeks,
        journeys_agree, first_contacts_agree, cohorts_recompute, stage_times_recompute, deals_are_shared_out,
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
        _near(told[told > 0], by_day[by_day > 0])


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


def journeys_agree(found: Published) -> None:
    """With the rows of mails, tiers, handoffs and deals, each lead's first."""
    tables = found.tables
    journeys = tables["lead_journeys"].set_index("lead_id")
    assert set(journeys.index) == set(tables["leads"]["lead_id"])
    assert journeys.index.is_unique
    sends, handoffs, deals = tables["sends"], tables["handoffs"], tables["deals"]
    as_of = pd.Timestamp(found.as_of)
    won = deals.query("status == 'won'")
    sources: dict[str, tuple[pd.DataFrame, str, pd.Series[Any]]] = {
        "mailed_at": (sends, "current_lead_id", sends["sent_at"].fillna(sends["delivered_at"])),
        "clicked_at": (sends, "current_lead_id", sends["clicked_at"]),
        "handed_off_at": (handoffs, "current_lead_id", handoffs["handed_off_at"]),
        "contacted_at": (handoffs, "current_lead_id", _by(handoffs["first_contact_at"], as_of)),
        "met_at": (handoffs, "current_lead_id", _by(handoffs["met_at"], as_of)),
        "deal_at": (deals, "lead_id", deals["created_at"]),
        "won_at": (won, "lead_id", won["won_at"]),
    }
    tiers = tables["lead_tier_changes"].query("to_tier == 'hot'")
    sources["hot_at"] = (tiers, "lead_id", tiers["changed_at"])
    for column, (table, key, instants) in sources.items():
        firsts = instants.groupby(table[key]).min().dropna()
        told = journeys[column].dropna()
        assert told.to_dict() == firsts.to_dict(), column
    assert journeys["deals_won"][journeys["deals_won"] > 0].to_dict() == won.groupby("lead_id").size().to_dict()
    amounts = won.groupby("lead_id")["amount"].sum()
    _near(journeys["amount"][journeys["amount"] > 0].sort_index(), amounts[amounts > 0].sort_index())
    # the steps that imply others
    for later, earlier in (
        ("clicked_at", "mailed_at"), ("contacted_at", "handed_off_at"), ("met_at", "handed_off_at"), ("won_at", "deal_at")
    ):  # fmt: skip
        assert journeys.loc[journeys[later].notna(), earlier].notna().all(), (later, earlier)


def _by(instants: pd.Series[Any], as_of: pd.Timestamp) -> pd.Series[Any]:
    return instants.where(instants <= as_of)


def first_contacts_agree(found: Published) -> None:
    """With the facts themselves: of all that names one of the lead's addresses or ids the first, and its source."""
    leads = {
        (kind, value): lead_id
        for kind, value, lead_id in found.world.warehouse("select kind, value, lead_id from lead_identities")
    }
    addressees = dict(found.world.ledger("select send_id, email from sends"))
    told = found.world.warehouse(
        "select occurred_at, source, email, external_id, send_id from events"
        " union all select least(occurred_at, created_at), source, email, external_id, null from lead_records"
    )
    firsts: dict[str, tuple[datetime, str]] = {}
    for when, source, email, external_id, send_id in told:
        address = email or addressees.get(send_id)
        lead_id = leads.get(("email", address)) or leads.get(("external_id", external_id))
        if lead_id is not None:
            firsts[lead_id] = min(firsts.get(lead_id, (when, source)), (when, source))
    journeys = found.rows("select lead_id, first_contact_at, source from lead_journeys")
    deals = found.world.warehouse("select lead_id, min(created_at) from deals group by lead_id")
    bought = dict(deals)
    for lead_id, first_contact_at, source in journeys:
        when, expected = firsts[lead_id]
        # a deal put into the facts by hand has no event of its own
        assert first_contact_at == min(when, bought.get(lead_id, when))
        assert source == expected


def cohorts_recompute(found: Published) -> None:
    tables = found.tables
    journeys, sends = tables["lead_journeys"], tables["sends"]
    journeys = journeys.assign(month=found.months(journeys["first_contact_at"]))
    mailed = sends[sends["sent_at"].fillna(sends["delivered_at"]).notna()]
    pairs: dict[str, Iterable[tuple[str, str]]] = {
        "source": set(zip(journeys["lead_id"], journeys["source"], strict=True)),
        "segment": set(zip(tables["segment_members"]["lead_id"], tables["segment_members"]["segment"], strict=True)),
        "scenario": set(zip(mailed["current_lead_id"], mailed["scenario"], strict=True)),
    }
    in_each = pd.DataFrame(
        [(lead, dimension, value) for dimension, some in pairs.items() for lead, value in some],
        columns=["lead_id", "dimension", "value"],
    )
    counted = in_each.merge(journeys, on="lead_id")
    keys = ["month", "dimension", "value"]
    names = ("mailed", "clicked", "hot", "handed_off", "met", "deals", "won")
    flags = {name: counted[step].notna() for name, step in zip(names, STEPS, strict=True)}
    numbers = counted[keys].assign(leads=1, amount=counted["amount"].astype(float), **flags)
    cohorts = as_dates(tables["kpi_cohorts"], "month")
    same(cohorts, numbers.groupby(keys, as_index=False).sum(), keys)
    days = {
        f"median_days_to_{name}": (counted[step] - counted["first_contact_at"]).dt.total_seconds() / 86400
        for name, step in (
            ("hot", "hot_at"), ("handoff", "handed_off_at"), ("meeting", "met_at"), ("won", "won_at")
        )
    }  # fmt: skip
    same(cohorts, counted[keys].assign(**days).groupby(keys, as_index=False).median(), keys)
    by_source = cohorts[cohorts["dimension"] == "source"].groupby("month")["leads"].sum()
    assert by_source.to_dict() == found.months(tables["leads"]["created_at"]).value_counts().to_dict()
    for later, earlier in (("clicked", "mailed"), ("met", "handed_off"), ("won", "deals")):
        assert (cohorts[later] <= cohorts[earlier]).all()
    assert (cohorts[list(names)].max(axis=1) <= cohorts["leads"]).all()


def stage_times_recompute(found: Published) -> None:
    changes = found.tables["lead_stage_changes"].sort_values(["lead_id", "changed_at"])
    changes["days"] = changes.groupby("lead_id")["changed_at"].diff().dt.total_seconds() / 86400
    moves = changes[changes["from_stage"].notna()].copy()
    moves["month"] = found.months(moves["changed_at"])
    keys = ["month", "from_stage", "to_stage"]
    times = as_dates(found.tables["kpi_stage_times"], "month")
    assert times["leads"].sum() == len(moves)
    if len(moves):
        grouped = moves.groupby(keys)["days"]
        expected = pd.DataFrame(
            {"leads": grouped.size(), "median_days": grouped.median(), "p90_days": grouped.quantile(0.9)}
        ).reset_index()
        same(times, expected, keys)


def deals_are_shared_out(found: Published) -> None:
    tables = found.tables
    shares, sends, deals = tables["deal_mails"], tables["sends"], tables["deals"].query("status == 'won'")
    by_deal = shares.groupby(["source", "deal_id"])
    for model in ("first", "last", "linear"):
        assert by_deal[f"{model}_share"].sum().sub(1).abs().max() < 1e-9 or shares.empty
    # mail by mail: those of the lead, delivered by the win
    stand = {
        (deal.source, deal.deal_id): sorted(
            (mail.delivered_at, mail.send_id)
            for mail in sends[sends["delivered_at"].notna()].itertuples()
            if mail.current_lead_id == deal.lead_id and mail.delivered_at <= deal.won_at
        )
        for deal in deals.itertuples()
    }
    told = shares.sort_values("position").groupby(["source", "deal_id"])
    placed = {key: list(zip(some["delivered_at"], some["send_id"], strict=True)) for key, some in told}
    assert placed == {key: mails for key, mails in stand.items() if mails}
    attribution = as_dates(tables["kpi_attribution_daily"], "date").groupby("date")
    won_on = found.local(deals["won_at"])
    for model in ("first", "last", "linear"):
        _near(attribution[f"{model}_deals"].sum(), deals.groupby(won_on).size())
        _near(attribution[f"{model}_amount"].sum(), deals["amount"].fillna(0).groupby(won_on).sum())
    alone = {key for key, mails in stand.items() if not mails}
    none = tables["kpi_attribution_daily"].query("scenario == 'none'")
    assert none["first_deals"].sum() == none["last_deals"].sum() == len(alone)


def _near(found: pd.Series[Any], expected: pd.Series[Any]) -> None:
    assert found.index.tolist() == expected.index.tolist()
    assert (found.astype(float) - expected.astype(float)).abs().max() < 1e-6 or found.empty
