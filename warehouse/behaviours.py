"""Places events: finds whose they are, and which behaviours of the rules."""

from __future__ import annotations

from warehouse.derivation import Derivation


def place_events(run: Derivation) -> None:
    """Make ``placed_behaviours`` and ``placed_activity`` of the events whose owner is new or has changed.

    Where the rules changed, every event is another behaviour than it was, and ``placed_behaviours`` has them all.
    Leaves behind ``losing_leads``: leads that events were taken from, all of whose events are placed again; and
    ``replaced_events``: what is known of these events is no longer so.
    """
    if run.is_first:
        run.make("events_to_place", "select * from new_events", kind="view")
        run.make("losing_leads", "select null::varchar as lead_id limit 0")
    else:
        _gather_events(run)
    run.build("shared_visitors", "placed_activity", "strangers")
    run.add(
        "unknown_addressees",
        "select identity from strangers where identity not in (select identity from unknown_addressees)",
    )
    run.drop("strangers", "shared_visitors")
    if run.is_full:
        run.make("replaced_events", "select null::uuid as event_id limit 0")
        run.make("events_to_place", "select * from visible_events", kind="view")
    else:
        run.make("replaced_events", "select event_id from events_to_place")
    run.build("event_kinds", "page_groups", "asset_groups", "placed_behaviours")
    run.connection.execute(
        "update placed_behaviours set is_machine = true"
        " where event_type in ('mail_click', 'link_visit') and event_id in (select event_id from scanner_clicks)"
    )
    run.drop("page_groups", "asset_groups", "event_kinds", "events_to_place")


def _gather_events(run: Derivation) -> None:
    """Gather the new events and those among the known whose owner has changed, looking only where any has."""
    run.make("events_to_place", "select * from new_events")
    run.make(
        "noted_sends", "select send_id from send_outcomes where send_id in (select send_id from arrived_send_records)"
    )
    for changed, name in (
        ("rebound_visitors", "rebound_visits"),
        ("changed_sends", "redirected_mails"),
        ("known_addressees", "recognised_mails"),
        ("noted_sends", "noted_mails"),
        ("rejudged_clicks", "rejudged_mails"),
    ):
        if run.has_rows(changed):
            _add(run, name)
    run.build("losing_leads")
    if run.has_rows("losing_leads"):
        _add(run, "events_of_losing_leads")


def _add(run: Derivation, name: str) -> None:
    run.build(name)
    run.connection.execute(f"insert into events_to_place by name select * from {name}")
    run.drop(name)
