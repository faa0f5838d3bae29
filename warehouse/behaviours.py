"""Places events: finds whose they are, and which behaviours of the rules."""

from __future__ import annotations

from warehouse.derivation import Derivation


def place_events(run: Derivation) -> None:
    """Make ``placed_behaviours`` and ``placed_activity`` of the events whose owner is new or has changed.

    Leaves behind ``losing_leads``: leads that events were taken from, all of whose events are placed again.
    """
    if run.is_full:
        run.make("events_to_place", "select * from new_events", kind="view")
        run.make("losing_leads", "select null::varchar as lead_id limit 0")
    else:
        run.build("events_to_place", "losing_leads")
        if run.has_rows("losing_leads"):
            run.build("events_of_losing_leads")
            run.connection.execute("insert into events_to_place select * from events_of_losing_leads")
            run.drop("events_of_losing_leads")
    run.build("event_kinds", "page_groups", "asset_groups", "placed_behaviours", "shared_visitors", "placed_activity")
    run.build("strangers")
    run.connection.execute(
        "insert into unknown_addressees select identity from strangers"
        " where identity not in (select identity from unknown_addressees)"
    )
    run.drop("strangers", "page_groups", "asset_groups", "event_kinds", "shared_visitors")
