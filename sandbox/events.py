"""Events as SendGrid's event webhook tells them.

Ids are derived from the message and never drawn, so that a second run writes the same bytes and a repeated event can
be recognised.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.mailbox import Mail

Event = dict[str, Any]


def make_event(mail: Mail, kind: str, at: datetime, **details: object) -> Event:
    """Builds one webhook object.

    Args:
        mail: The mail it is about.
        kind: SendGrid's name of the event, such as `open`.
        at: When it happened; the object carries whole Unix seconds.
        details: Further fields of that kind of event, such as `url` of a click.

    Returns:
        The event, with the mail's custom arguments at the top level as SendGrid puts them.
    """
    timestamp = int(at.timestamp())
    key = f"{mail.sg_message_id}:{kind}:{timestamp}:{details.get('url', '')}"
    return {
        **mail.custom_args,
        "email": mail.to,
        "timestamp": timestamp,
        "event": kind,
        "sg_event_id": hashlib.sha256(key.encode()).hexdigest()[:24],
        "sg_message_id": mail.sg_message_id,
        "smtp-id": f"<{mail.sg_message_id}@smtp.sandbox.test>",
        "category": list(mail.categories),
        **details,
    }


def delivery_events(mail: Mail) -> list[Event]:
    """Tells what follows an acceptance: processed and then delivered or bounce, or dropped alone.

    The later event is told at once with its own later timestamp, so that no timer is needed and nothing is lost when
    the stand-in stops.
    """
    if mail.outcome == "dropped":
        return [make_event(mail, "dropped", mail.delivered_at, reason=mail.drop_reason, status="5.0.0")]
    processed = make_event(mail, "processed", mail.accepted_at)
    if mail.outcome == "bounce":
        refusal = {"type": "bounce", "reason": "550 5.1.1 no such user here", "status": "5.1.1"}
        return [processed, make_event(mail, "bounce", mail.delivered_at, **refusal)]
    return [processed, make_event(mail, "delivered", mail.delivered_at, response="250 OK", ip="192.0.2.25", tls=1)]
