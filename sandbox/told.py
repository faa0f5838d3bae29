"""What the events told so far come to: the events of each message, and the addresses that get no more mail.

Both are read from the file of events, as far as it has grown, and only when somebody asks. So whoever tells events (the
stand-in, the simulated readers) need not know of it, and after a restart the suppressions are there as before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import orjson

from sandbox.events import Event

LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
_BY_EVENT = {"bounce": "bounces", "spamreport": "spam_reports", "unsubscribe": "unsubscribes"}
_BY_DROP = {
    "Bounced Address": "bounces",
    "Invalid": "invalid_emails",
    "Spam Reporting Address": "spam_reports",
    "Unsubscribed Address": "unsubscribes",
}

Entry = dict[str, str | int]


class Told:
    """The events of a file, by message, and the suppressions that follow from them or were put in by hand.

    Args:
        path: The file of events.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._by_message: dict[str, list[Event]] = defaultdict(list)
        self._lists: dict[str, dict[str, Entry]] = {name: {} for name in LISTS}
        self._ordered: dict[str, list[Entry]] = {}
        self._groups: dict[int, dict[str, int]] = defaultdict(dict)

    def events_of(self, sg_message_id: str, now: datetime) -> list[Event]:
        """Returns what was told of a message up to an instant, in order of time."""
        self._read_on()
        told = [event for event in self._by_message.get(sg_message_id, ()) if event["timestamp"] <= now.timestamp()]
        return sorted(told, key=lambda event: event["timestamp"])

    def suppressed(self, name: str, now: datetime) -> list[Entry]:
        """Returns a list of suppressions as of an instant, the newest first."""
        self._read_on()
        entries, ordered = self._lists[name], self._ordered.get(name, [])
        if len(ordered) < len(entries):  # entries only come; so a list of pages is sorted once
            ordered = sorted(entries.values(), key=lambda entry: (-int(entry["created"]), entry["email"]))
            self._ordered[name] = ordered
        return [entry for entry in ordered if int(entry["created"]) <= now.timestamp()]

    def grouped(self, now: datetime) -> list[Entry]:
        """Returns who left which unsubscribe group, as of an instant."""
        self._read_on()
        return [
            {"email": email, "group_id": group, "group_name": f"Group {group}", "created_at": at}
            for group, people in sorted(self._groups.items())
            for email, at in sorted(people.items())
            if at <= now.timestamp()
        ]

    def add(self, name: str, emails: Iterable[str], at: datetime) -> None:
        """Puts addresses on a list by hand."""
        for email in emails:
            self._suppress(name, email, int(at.timestamp()), "put in by hand")

    def add_to_group(self, group: int, emails: Iterable[str], at: datetime) -> None:
        """Takes addresses out of the mails of an unsubscribe group by hand."""
        for email in emails:
            self._groups[group].setdefault(email, int(at.timestamp()))

    def _read_on(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            grown = file.read()
        whole = grown[: grown.rfind(b"\n") + 1]  # a line may be half written
        self._read += len(whole)
        for line in whole.splitlines():
            self._learn(orjson.loads(line))

    def _learn(self, event: Event) -> None:
        if "sg_message_id" in event:
            self._by_message[event["sg_message_id"]].append(event)
        kind, reason = event["event"], str(event.get("reason", ""))
        if kind == "group_unsubscribe":
            self._groups[int(event["asm_group_id"])].setdefault(event["email"], event["timestamp"])
            return
        name = _BY_DROP.get(reason) if kind == "dropped" else _BY_EVENT.get(kind)
        if name == "bounces" and event.get("type") == "blocked":
            name = "blocks"
        if name is not None:
            self._suppress(name, event["email"], event["timestamp"], reason, str(event.get("status", "")))

    def _suppress(self, name: str, email: str, created: int, reason: str, status: str = "") -> None:
        entry: Entry = {"created": created, "email": email}
        if name in {"bounces", "blocks", "invalid_emails"}:
            entry["reason"] = reason
        if name in {"bounces", "blocks"}:
            entry["status"] = status
        if name == "spam_reports":
            entry["ip"] = "192.0.2.25"
        self._lists[name].setdefault(email.lower(), entry)
