"""Tells what programs read of our mails from what people did: neither points nor figures count the former.

A program is known by its user agent, or by how it clicks: mail gateways follow the links of a mail as it comes in. The
verdicts are derived, so a late delivery or a newer list of agents changes them, and everything that follows, down to
whose a browser is.
"""

from __future__ import annotations

import pyarrow as pa

from agents import is_machine_agent
from warehouse.derivation import Derivation

AT_ONCE_SECONDS = 3
"""A click within so long of its mail's delivery is a program's."""
SCANNED_SECONDS = 30
"""Clicks on several links within so long of the delivery are a program's."""
TRAP_SECONDS = 60
"""Clicks so close to one on a link that no person sees, and visits so close to a program's click, are a program's."""


def judge_readings(run: Derivation) -> None:
    """Bring ``known_agents`` and ``scanner_clicks`` up to date.

    Leaves behind ``doubtful_events``, all events of the sends that were judged, and ``rejudged_clicks``: those among
    the known whose verdict is another than it was.
    """
    run.build("fresh_agents")
    fresh = [agent for (agent,) in run.connection.execute("select agent from fresh_agents").fetchall()]
    if fresh:
        judged = pa.table({"agent": fresh, "is_machine": [is_machine_agent(agent) for agent in fresh]})
        run.connection.register("judged_agents", judged)
        run.add("known_agents", "select * from judged_agents")
        run.connection.unregister("judged_agents")
    run.connection.execute(
        "set variable machine_agents = (select coalesce(list(agent), []::varchar[]) from known_agents where is_machine)"
    )
    run.values |= {
        "at_once": AT_ONCE_SECONDS * 1_000_000,
        "scanned": SCANNED_SECONDS * 1_000_000,
        "trap": TRAP_SECONDS * 1_000_000,
    }
    run.build("doubtful_sends", "doubtful_events", "fresh_scanner_clicks", "rejudged_clicks")
    run.replace("scanner_clicks", "fresh_scanner_clicks", "send_id", "doubtful_sends")
