"""The stand-in SendGrid, as the rest of the world sees it.

    with StandIn(home) as stand_in:
        ...  # point the sender at stand_in.url, look at stand_in.mailbox.mails

Its parts: `app` answers the requests behind the `gate`, `validation` refuses what SendGrid refuses, `mailbox` keeps
what was accepted, `events` tells what became of it, `told` is what that comes to, which `suppressions` and `logs`
answer, `webhook` posts it, `faults` breaks things on demand, `steering` holds the wheel, `server` runs it all.
"""

from sandbox.clock import Clock
from sandbox.faults import Fault, RateLimit
from sandbox.mailbox import Mail, Mailbox
from sandbox.server import StandIn, serve
from sandbox.webhook import EventWebhook, Habits

__all__ = ["Clock", "EventWebhook", "Fault", "Habits", "Mail", "Mailbox", "RateLimit", "StandIn", "serve"]
