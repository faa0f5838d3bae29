"""Asks SendGrid what its events may not have told: who gets no more mail, and what became of mails that are unknown.

It is asked before each delivery, since nobody may be mailed while an opt-out is known there and not here: where the
suppressions cannot be read, the run ends before its first mail. What the logs know becomes facts under the ids of
SendGrid's events, as if the webhook had told it. The logs are no condition of mailing: where they cannot be read, what
is unknown waits.

Temporary refusals (SendGrid's ``blocks``) keep nobody from the next mail and are not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.models import RuleSet
from settings import Settings
from tasks.acts import NOW_TOLERANCE, only_one
from tasks.clients.sendgrid_records import RecordsError, SendGridRecords, Suppressed
from tasks.clients.sources.batches import RawBatch, text_array
from tasks.clients.sources.formats import EVENT_FORMATS
from tasks.clients.sources.in_memory import in_memory_source, rows_of
from tasks.clients.sources.sendgrid_events import event_batch
from tasks.clients.sources.staging import load_plan
from warehouse.attempts import recover
from warehouse.connection import open_ledger, open_warehouse
from warehouse.load import load_rows, move_watermark, read_watermark
from warehouse.log_lookups import Lookup, Taken, UnknownSend, note_lookups, unknown_sends

OVERLAP = timedelta(days=1)
"""How far before the newest known entry a list is read again: entries may come late."""
MOST_LOOKUPS = 500
"""How many unknown sends are looked for in one run; the next runs look for the others."""
LOOKUP_SECONDS = 120
"""How long one run looks for them at most."""
CLOCK_MARGIN = timedelta(days=2)
"""How far our clock, or a run's instant, may be ahead of SendGrid's."""

_GROUPS = "group_unsubscribes"
_LISTS = {
    "bounces": ("all", "hard_bounce"),
    "spam_reports": ("all", "spam_report"),
    "invalid_emails": ("all", "invalid_address"),
    "unsubscribes": ("marketing", "opt_out"),
    # a group that delivery.yaml does not name; who made it knows what it means
    _GROUPS: ("marketing", "opt_out"),
}
"""What each list blocks, and why."""
_SUPPRESSIONS = in_memory_source(
    "sendgrid",
    "suppressions",
    {"email": "email", "blocks": "blocks", "reason": "reason", "occurred_at": "created"},
    date_format="epoch",
)
_EVENTS = in_memory_source(
    "sendgrid_logs",
    "events",
    EVENT_FORMATS["sendgrid_events"],
    file_format="sendgrid_events",
)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Evidence:
    """What SendGrid told: entries of suppression lists read and new, and unknown sends asked for and found."""

    suppressions_read: int = 0
    suppressions_new: int = 0
    sends_asked: int = 0
    sends_found: int = 0


def pull_evidence(settings: Settings, rules: RuleSet, as_of: datetime, tell: Tell | None = None) -> Evidence:
    """Read the suppressions, and look for unknown sends.

    Nothing is asked where nobody could be mailed: with delivery off, without an API key, or for an instant that is not
    now (unless the host is on this machine).

    Args:
        settings: The settings.
        rules: The rule set.
        as_of: The instant of the run; what is read was received then.
        tell: Told what was read and what failed.

    Raises:
        RecordsError: The suppressions cannot be read; nobody may be mailed.
        RunError: Another run delivers.
    """
    tell = tell or (lambda _: None)
    is_now = settings.is_sendgrid_loopback or abs(datetime.now(UTC) - as_of) <= NOW_TOLERANCE
    if settings.effective_delivery == "off" or settings.sendgrid_api_key is None or not is_now:
        return Evidence()
    client = SendGridRecords(
        settings.sendgrid_host, settings.sendgrid_api_key.get_secret_value(), settings.sendgrid_timeout_seconds
    )
    evidence = _pull_suppressions(settings, rules, client, as_of)
    if evidence.suppressions_new:
        tell(f"SendGrid's suppressions: {evidence.suppressions_new:,} new")
    asked, found = _look_for_unknown(settings, rules, client, as_of, tell)
    if asked:
        tell(f"SendGrid's logs: {found:,} of {asked:,} unknown mails found")
    return replace(evidence, sends_asked=asked, sends_found=found)


def _pull_suppressions(settings: Settings, rules: RuleSet, client: SendGridRecords, as_of: datetime) -> Evidence:
    kinds: dict[int | None, str] = {group.id: group.kind for group in rules.delivery.unsubscribe_groups}
    with open_warehouse(settings, read_only=True) as warehouse:
        reached = {name: read_watermark(warehouse, f"sendgrid {name}") for name in _LISTS}
    told: dict[str, list[Suppressed]] = {}
    for name, mark in reached.items():
        since = datetime.fromtimestamp(int(mark), UTC) - OVERLAP if mark else None
        told[name] = client.group_unsubscribes() if name == _GROUPS else client.suppressions(name, since)
    entries = [(entry, *_LISTS[name]) for name, found in told.items() for entry in found]
    if not entries:
        return Evidence()
    emails = [entry.email for entry, *_ in entries]
    raw = RawBatch(
        {
            "email": text_array(emails),
            "blocks": text_array([kinds.get(entry.group, blocks) for entry, blocks, _ in entries]),
            "reason": text_array([reason for *_, reason in entries]),
            "created": text_array([entry.created for entry, *_ in entries]),
        },
        range(1, len(entries) + 1),
    )
    latest = int((as_of + OVERLAP).timestamp())
    with open_warehouse(settings) as warehouse:
        counts = load_rows(warehouse, load_plan(_SUPPRESSIONS, "UTC"), rows_of(raw, _SUPPRESSIONS), as_of)
        for name, found in told.items():
            # a stamp ahead of the clock must not hide what comes after
            newest = max((at for entry in found if (at := entry.created) is not None and at <= latest), default=None)
            if newest is not None:
                move_watermark(warehouse, f"sendgrid {name}", str(max(newest, int(reached[name] or 0))), as_of)
    return Evidence(suppressions_read=len(entries), suppressions_new=counts.rows_loaded)


def _look_for_unknown(
    settings: Settings, rules: RuleSet, client: SendGridRecords, as_of: datetime, tell: Tell
) -> tuple[int, int]:
    """Ask the logs for unknown sends. Returns how many were asked for, and how many found."""
    if not settings.ledger.exists():
        return 0, 0
    release_after = timedelta(hours=rules.unknown_release_after_hours)
    with only_one(settings, "send"), open_ledger(settings) as ledger:
        recover(ledger, as_of)  # what a run that died left behind is asked for, too
        unknown = unknown_sends(ledger, as_of, release_after, MOST_LOOKUPS)
    search = _Search(client)
    events: list[dict[str, Any]] = []
    lookups: list[Lookup] = []
    client.give_up_at = time.monotonic() + LOOKUP_SECONDS
    try:
        for send in unknown:
            if time.monotonic() > client.give_up_at:
                break
            told, is_silent = search.events_of(send)
            events += told
            is_proof = is_silent and send.is_past_grace and search.knows_others(send)
            lookups.append(Lookup(send.send_id, bool(told), is_proof))
    except RecordsError as error:
        tell(f"warning: {error}. Mails whose fate is unknown wait for their events, or for another run")
    # facts first: a run that ends in between asks once more, while a note without its facts would hide them
    if events:
        raw = event_batch(list(enumerate(events, 1)))
        with open_warehouse(settings) as warehouse:
            load_rows(warehouse, load_plan(_EVENTS, "UTC"), rows_of(raw, _EVENTS), as_of)
    if lookups:
        with open_ledger(settings) as ledger:
            note_lookups(ledger, lookups, as_of)
    return len(lookups), sum(lookup.is_found for lookup in lookups)


class _Search:
    """Looks for sends in the logs of one account, and whether these are worth believing."""

    def __init__(self, client: SendGridRecords) -> None:
        self._client = client
        self._known: dict[Taken | None, bool] = {None: False}

    def events_of(self, send: UnknownSend) -> tuple[list[dict[str, Any]], bool]:
        """Look for a send. Returns its events as the webhook tells them, and whether the logs clearly do not know it.

        They do not where every message to its address is shown and none bears its id.
        """
        found = self._client.messages_to(send.email, send.started_at - CLOCK_MARGIN)
        is_silent = found is not None
        for message in found or ():
            shown = self._client.message(message.sg_message_id)
            if shown is None:
                is_silent = False
            elif (shown.get("custom_args") or {}).get("nurture_send_id") == send.send_id:
                return _as_webhook(send, message.sg_message_id, int(message.created_at.timestamp()), shown), False
        return [], is_silent

    def knows_others(self, send: UnknownSend) -> bool:
        """Whether the logs know a mail from before the send, and one from after its grace period.

        The first shows that they are those of the account it went through, and reach back far enough; the second that
        they have caught up. The same question that does not find the send finds these, so it is put rightly, too.
        """
        return self._knows(send.witness_before) and self._knows(send.witness_after)

    def _knows(self, mail: Taken | None) -> bool:
        if mail not in self._known:
            assert mail is not None
            found = self._client.messages_to(mail.email, mail.sent_at - CLOCK_MARGIN) or []
            # the id of a request begins the ids of its messages
            self._known[mail] = any(message.sg_message_id.startswith(mail.message_id) for message in found)
        return self._known[mail]


def _as_webhook(send: UnknownSend, sg_message_id: str, created: int, shown: dict[str, Any]) -> list[dict[str, Any]]:
    """A message's events in the webhook's form; one that says it was taken where none of them does."""
    own = {"email": send.email, "nurture_send_id": send.send_id, "sg_message_id": sg_message_id}
    told = [event for event in shown.get("events") or [] if isinstance(event, dict)]
    events = [
        {**event, **own, "event": "dropped" if event.get("event") == "cancel_drop" else event.get("event")}
        for event in told
        if event.get("event") != "received"
    ]
    if not any(event["event"] == "processed" for event in events):
        taken = {"event": "processed", "timestamp": created, "sg_event_id": f"logs-{sg_message_id}-processed"}
        events.append({**own, **taken})
    return events
