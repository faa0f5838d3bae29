"""Tells sales, each message once: by mail through SendGrid, and in the rooms that the rules name."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rules.models import Channel, Person, RuleSet
from settings import Settings
from tasks.acts import check_act_instant, mail_client, only_one
from tasks.clients.sendgrid import SendGrid
from tasks.errors import RunError
from tasks.main_chart import Chart, main_chart
from tasks.notice_texts import Message, Wording
from warehouse import follow_ups, notices, reviews
from warehouse.connection import open_ledger

Row = Mapping[str, Any]
_STATES = {
    "accepted": "accepted",
    "unknown": "unknown",
    "rejected": "rejected",
    "split": "rejected",
    "wait": "planned",
    "not_sent": "planned",
    "stop": "planned",
}
_OF_NOBODY = ("digest", "review")
"""Messages that are about nobody's handoff: whoever has left the rules needs none."""


def plan_digests(settings: Settings, rules: RuleSet, as_of: datetime) -> int:
    """Plan the morning's digests once it is time. Returns how many; a day has one for each who gets it."""
    with only_one(settings, "handoff"), open_ledger(settings) as ledger:
        return notices.plan_digests(ledger, rules, as_of, settings.timezone)


def send_notices(settings: Settings, rules: RuleSet, as_of: datetime) -> int:
    """Tell sales of what is planned to be told, each once.

    Returns:
        How many messages were taken.

    Raises:
        ConfigurationError: Delivery is on and cannot work as configured.
        RunError: The mail provider or a room cannot be reached, and what it did not get waits for the next run; or
            the provider refused a notice, which is not sent again. All others were sent.
    """
    client = mail_client(settings, rules)
    with only_one(settings, "handoff"):
        with open_ledger(settings, with_warehouse=True) as ledger:
            today = as_of.astimezone(settings.zone).date()
            rows: list[Row] = [*notices.planned_notices(ledger), *notices.planned_digests(ledger, today)]
            is_digest = any(row["kind"] == "digest" for row in rows)
            open_now = follow_ups.open_handoffs(ledger, as_of) if is_digest else []
            said = {
                (row["cause"], row["on_date"]): reviews.review_of(ledger, row["cause"], row["on_date"])
                for row in rows
                if row["kind"] == "review"
            }
        return _Teller(settings, rules, as_of, client, open_now, said).tell(rows)


class _Teller:
    """Sends the messages of one run."""

    def __init__(
        self,
        settings: Settings,
        rules: RuleSet,
        as_of: datetime,
        client: SendGrid | None,
        open_now: Sequence[Row],
        said: Mapping[Any, reviews.Review | None],
    ) -> None:
        self._settings, self._rules, self._as_of, self._client = settings, rules, as_of, client
        self._wording = Wording(settings, rules, as_of)
        self._open_now, self._said = open_now, said
        self._is_charted = False
        self._drawn: Chart | None = None
        self._faults: dict[str, str] = {}
        self._refused: list[str] = []
        # one who is a reviewer and something else besides is the same person
        people: tuple[Person, ...] = (*rules.handoff.reviewers, *rules.handoff.owners, *rules.handoff.managers)
        self._people = {one.id: one for one in people}
        self._channels = {channel.id: channel for channel in rules.handoff.channels}

    def tell(self, rows: Sequence[Row]) -> int:
        told = 0
        for row in rows:
            if row["way"] == "mail" and self._client is not None:
                told += self._mail(self._client, row)
            elif row["way"] == "channel" and row["recipient"] in self._channels:
                told += self._post(self._channels[row["recipient"]], row)
        if self._refused:
            why = "; ".join(dict.fromkeys(self._refused))
            self._faults["refused"] = f"the mail provider refused {len(self._refused)} notices for good: {why}"
        if self._faults:
            raise RunError("\n".join(self._faults.values()))
        return told

    def _message(self, row: Row) -> Message:
        if row["kind"] == "digest":
            is_managers = row["way"] == "mail" and row["recipient"] in {one.id for one in self._rules.handoff.managers}
            chart = self._chart() if is_managers else None
            return self._wording.digest(row["recipient"], self._open_now, chart)
        if row["kind"] == "review":
            said = self._said[row["cause"], row["on_date"]]
            assert said is not None, "a review is planned to be told in the transaction that keeps it"
            return self._wording.review(row["recipient"], said)
        return self._wording.about_lead(row)

    def _chart(self) -> Chart | None:
        """The dashboard's main chart, made once for all managers."""
        if not self._is_charted:
            self._is_charted = True
            self._drawn = main_chart(self._settings.published) if self._settings.published.exists() else None
        return self._drawn

    def _recipient(self, row: Row) -> Person | None:
        """Whoever a notice goes to; of one who has left the rules since, the first manager."""
        person: Person | None = self._people.get(row["recipient"])
        if person is None and row["kind"] not in _OF_NOBODY:
            person = next(iter(self._rules.handoff.managers), None)
        return person

    def _mail(self, client: SendGrid, row: Row) -> bool:
        person = self._recipient(row)
        if person is None:
            self._note(row, "cancelled", "recipient_left")
            if row["kind"] not in _OF_NOBODY:
                self._faults[f"to {row['recipient']}"] = (
                    f"nobody is told of what '{row['recipient']}' has, who is not in handoff.yaml: "
                    "add managers, or hand it to someone else in the SFA"
                )
            return False
        row = {**row, "recipient": person.id}
        if "mail" in self._faults or not self._settings.may_mail(person.email):
            return False
        check_act_instant(self._as_of, is_loopback=self._settings.is_sendgrid_loopback)
        message = self._message(row)
        sender = next(sender for sender in self._rules.senders if sender.id == self._rules.handoff.sender)
        payload: dict[str, Any] = {
            "from": {"email": sender.email, "name": sender.name},
            "subject": message.subject,
            "content": [
                {"type": "text/plain", "value": message.text},
                {"type": "text/html", "value": message.html},
            ],
            "personalizations": [{"to": [{"email": person.email}], "custom_args": {"nurture_send_id": row["id"]}}],
            "categories": ["sales_notice"],
            # its links are the rep's own; nobody else is to learn them
            "tracking_settings": {"click_tracking": {"enable": False, "enable_text": False}},
        }
        if message.picture is not None:
            payload["attachments"] = [
                {
                    "content": base64.b64encode(message.picture).decode(),
                    "type": "image/png",
                    "filename": "opens-and-clicks.png",
                    "disposition": "inline",
                    "content_id": "main-chart",
                }
            ]
        self._note(row, "sending", None)
        answer = client.send(payload)
        self._note(row, _STATES[answer.verdict], answer.message)
        if _STATES[answer.verdict] == "rejected":
            self._refused.append(answer.message or "no reason given")
        if answer.verdict in {"stop", "wait", "not_sent"}:
            self._faults["mail"] = f"sales could not be told: {answer.message}; the notices wait for the next run"
        return answer.verdict == "accepted"

    def _post(self, channel: Channel, row: Row) -> bool:
        # imported here: it takes half a second, and most companies have no channel
        from tasks.clients.channels import Room

        if channel.id in self._faults:
            return False
        room = Room(channel.url)
        if not room.is_readable:
            why = "is no address of a service that Apprise knows" if room.is_set else "is not set"
            self._faults[channel.id] = f"the channel '{channel.id}' gets no notices: {channel.url} {why}"
            return False
        if self._settings.delivery != "live" and not room.is_local:
            return False
        check_act_instant(self._as_of, is_loopback=room.is_local)
        message = self._message(row)
        self._note(row, "sending", None)
        answer = room.post(message.subject, message.chat)
        self._note(row, "planned" if answer.verdict == "not_sent" else answer.verdict, answer.message)
        if answer.verdict != "accepted":
            what = "waits for the next run" if answer.verdict == "not_sent" else "is not repeated"
            self._faults[channel.id] = f"the channel '{channel.id}': {answer.message}; the notice {what}"
        return answer.verdict == "accepted"

    def _note(self, row: Row, state: str, reason: str | None) -> None:
        with open_ledger(self._settings) as ledger:
            notices.set_notice_state(ledger, row["id"], state, reason, self._as_of)
