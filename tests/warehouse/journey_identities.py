"""What has to hold between journeys, cohorts, stage times and attribution and the rows they are counted from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd

from tests.warehouse.frames import Published, as_dates, near, same

STEPS = ("mailed_at", "clicked_at", "hot_at", "handed_off_at", "met_at", "deal_at", "won_at")


def check_journeys(found: Published) -> None:
    """Hold every table between the first contact and a deal against the rows it is counted from."""
    for check in (
        journeys_agree, first_contacts_agree, cohorts_recompute, stage_times_recompute, deals_are_shared_out,
    ):  # fmt: skip
        check(found)


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
    near(journeys["amount"][journeys["amount"] > 0].sort_index(), amounts[amounts > 0].sort_index())
    mailed = sends[sends["sent_at"].fillna(sends["delivered_at"]).notna()]
    for column, named in (
        ("segments", tables["segment_members"].groupby("lead_id")["segment"]),
        ("scenarios", mailed.groupby("current_lead_id")["scenario"]),
    ):
        told = {lead_id: list(names) for lead_id, names in journeys[column].items() if len(names)}
        assert told == {lead_id: sorted(set(names)) for lead_id, names in named}, column
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
        step: (counted[f"{step}_at"] - counted["first_contact_at"]).dt.total_seconds() // 86400
        for step in ("hot", "handed_off", "met", "won")
    }
    medians = counted[keys].assign(
        median_days_to_hot=days["hot"], median_days_to_handoff=days["handed_off"], median_days_to_meeting=days["met"],
        median_days_to_won=days["won"],
    ).groupby(keys, as_index=False).quantile(0.5, interpolation="lower")  # fmt: skip
    same(cohorts, medians, keys)
    taken = pd.concat(
        counted[keys].assign(step=step, days=number)[number.notna()].astype({"days": int})
        for step, number in days.items()
    )
    each = [*keys, "step", "days"]
    times = as_dates(tables["kpi_cohort_times"], "month")
    assert len(times) == len(taken.drop_duplicates(each))
    if len(times):
        same(times, taken.groupby(each, as_index=False).size().rename(columns={"size": "leads"}), each)
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
    moves["days"] = (moves["days"] // 1).astype(int)
    times = as_dates(found.tables["kpi_stage_times"], "month")
    assert times["leads"].sum() == len(moves)
    if len(moves):
        grouped = moves.groupby(keys)["days"]
        expected = pd.DataFrame(
            {
                "leads": grouped.size(),
                "median_days": grouped.quantile(0.5, interpolation="lower"),
                "p90_days": grouped.apply(_ninth_tenth),
            }
        ).reset_index()
        same(times, expected, keys)
    each = [*keys, "days"]
    taken = as_dates(found.tables["kpi_move_times"], "month")
    assert len(taken) == len(moves.drop_duplicates(each))
    if len(moves):
        same(taken, moves.groupby(each, as_index=False).size().rename(columns={"size": "moves"}), each)


def _ninth_tenth(days: pd.Series[int]) -> int:
    """The least number of days within which nine in ten are."""
    return int(sorted(days)[-(-9 * len(days) // 10) - 1])


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
        near(attribution[f"{model}_deals"].sum(), deals.groupby(won_on).size())
        near(attribution[f"{model}_amount"].sum(), deals["amount"].fillna(0).groupby(won_on).sum())
    alone = {key for key, mails in stand.items() if not mails}
    none = tables["kpi_attribution_daily"].query("scenario == 'none'")
    assert none["first_deals"].sum() == none["last_deals"].sum() == len(alone)
