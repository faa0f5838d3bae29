"""What the readers of mails confirmed by their links: consents that forms had asked for (double opt-in).

The web face knows no addresses and no words of earlier forms. The ledger knows whom the mail went to and what had it
sent; the facts know what was asked then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.forms import CONSENT_ASKED
from settings import Settings
from tasks.clients.sources.targets import Into
from warehouse.connection import open_ledger, open_warehouse

Rows = list[tuple[int, dict[str, str]]]


def confirmed_rows(settings: Settings, told: Sequence[tuple[int, Mapping[str, str]]]) -> dict[Into, Rows]:
    """What follows from confirmations, as rows to load.

    A confirmation takes the reader's earlier opt-outs of these kinds back, as subscribing again does. It does so once:
    an opt-out after it holds, however often the button of an old mail is pressed.

    Args:
        settings: Where the ledger and the warehouse are.
        told: The confirmations as the web face told them, each with its entry's id.
    """
    if not told or not settings.ledger.exists():
        return {}
    with open_ledger(settings, read_only=True) as ledger:
        mails = ledger.execute(
            "select send_id, email, trigger_event_id from sends inner join enrolments using (send_id)"
            " where send_id in (select unnest($send_ids))",
            {"send_ids": [event["send_id"] for _, event in told]},
        ).fetchall()
    with open_warehouse(settings, read_only=True) as connection:
        asked = connection.execute(
            "select event_id::varchar, properties['evidence'], properties['mail_kinds'] from events"
            # a mail may hold the link whose trigger is no event, and asked for nothing
            " where event_type = $asked"
            " and event_id in (select try_cast(told as uuid) from (select unnest($event_ids::varchar[]) as told))"
            # a source may tell such an event as well: one that does not say what was asked asks nothing
            " and properties['evidence'] is not null and properties['mail_kinds'] is not null",
            {"asked": CONSENT_ASKED, "event_ids": [event_id for _, _, event_id in mails]},
        ).fetchall()
    said = {event_id: (evidence, kinds.split()) for event_id, evidence, kinds in asked}
    found = {send_id: (email, *said[event_id]) for send_id, email, event_id in mails if event_id in said}
    consents: Rows = []
    events: Rows = []
    for entry_id, event in told:
        send_id, occurred_at = event["send_id"], event["occurred_at"]
        email, evidence, kinds = found.get(send_id, ("", "", []))
        for kind in kinds:
            consent = {
                "email": email,
                "mail_kind": kind,
                "basis": "opt_in_form",
                "is_granted": "true",
                "evidence": f"{evidence} / confirmed by the link of mail {send_id}",
                "occurred_at": occurred_at,
            }
            again = {
                "event_id": f"{send_id} confirmed {kind}",
                "event_type": "mail_resubscribe",
                "send_id": send_id,
                "occurred_at": occurred_at,
                "properties.way": "confirmation",
                **({} if kind == "marketing" else {"properties.mail_kind": kind}),
            }
            consents.append((entry_id, consent))
            events.append((entry_id, again))
    return {"consents": consents, "events": events}
