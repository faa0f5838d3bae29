"""Decides which mails are due, and delivers each once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from rules.models import RuleSet
from settings import Settings
from tasks.acts import check_act_instant, mail_client, only_one
from tasks.delivery import Delivery, Progress
from warehouse import sending
from warehouse.attempts import recover
from warehouse.connection import check_instant, open_ledger


def plan_sends(
    settings: Settings, rules: RuleSet, as_of: datetime, on_progress: Progress = lambda _: None
) -> dict[str, int]:
    """Enrol, and decide every send that is due. Returns the number of decisions by name.

    ``on_progress`` is told how far it is.
    """
    with only_one(settings, "send"), open_ledger(settings, with_warehouse=True) as ledger:
        sending.recomputed_at(ledger, rules, as_of)
        recover(ledger, as_of)
        sending.apply_evidence(ledger, rules, as_of)
        check_instant(ledger, "send", as_of)
        return sending.plan_sends(ledger, rules, as_of, settings.timezone, on_progress)


def deliver_sends(
    settings: Settings,
    rules: RuleSet,
    as_of: datetime,
    on_progress: Progress | None = None,
    *,
    is_confirmed: bool = False,
) -> Counter[str]:
    """Deliver what is planned.

    Args:
        settings: The settings.
        rules: The rule set the warehouse was recomputed with.
        as_of: The instant of the run.
        on_progress: Told how far it is.
        is_confirmed: Somebody has looked: marketing mails go whatever the brakes say.

    Returns:
        Sends by what this run made of them.

    Raises:
        ConfigurationError: Delivery is on and cannot work as configured.
        RunError: The provider refuses or cannot be reached, or a brake holds marketing mails; they stay planned.
    """
    client = mail_client(settings, rules)
    if client is None:
        return Counter()
    check_act_instant(as_of, is_loopback=settings.is_sendgrid_loopback)
    with only_one(settings, "send"):
        return Delivery(settings, rules, as_of, client, on_progress or (lambda _: None)).run(is_confirmed=is_confirmed)


def waiting_sends(settings: Settings) -> int:
    """How many sends are planned and not delivered."""
    with open_ledger(settings, read_only=True) as ledger:
        row = ledger.execute("select count(*) from sends where state = 'planned'").fetchone()
    return int(row[0]) if row else 0
