"""The mails that were accepted, and the independent witness of them.

`accepted.jsonl` is written and on the disk before the sender hears of the acceptance. A test that kills the sender at
any moment can therefore count there, without asking the engine, how often each mail really went out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.clock import iso
from sandbox.events import delivery_events
from sandbox.journal import Journal
from sandbox.told import Told

BOUNCED = "Bounced Address"
QUOTA = "Recipient List over Package Quota"
"""SendGrid's words for why it drops what it took: for what the address did before, or for what nobody could foresee."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted mail to one recipient."""

    to: str
    send_id: str | None
    message_id: str
    sg_message_id: str
    accepted_at: datetime
    delivered_at: datetime
    outcome: str
    """`delivered`, `bounce` or `dropped`: what becomes of it, decided by the address."""
    drop_reason: str
    from_email: str
    categories: tuple[str, ...]
    custom_args: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    raw_subject: str = field(repr=False)
    content: Mapping[str, str] = field(repr=False)
    substitutions: Mapping[str, str] = field(repr=False)
    attachments: tuple[Mapping[str, str], ...] = field(default=(), repr=False)

    # Rendered when asked for: a request of 1,000 bodies is answered without rendering one.
    @property
    def subject(self) -> str:
        """The subject after substitution."""
        return substitute(self.raw_subject, self.substitutions)

    @property
    def text(self) -> str:
        """The plain-text body after substitution; empty when there is none."""
        return substitute(self.content.get("text/plain", ""), self.substitutions)

    @property
    def html(self) -> str:
        """The HTML body after substitution; empty when there is none."""
        return substitute(self.content.get("text/html", ""), self.substitutions)


class Mailbox:
    """Keeps accepted mails in memory, and what must survive in files.

    Args:
        home: The engine's home; the files stand in its folder `sandbox`.
    """

    def __init__(self, home: Path) -> None:
        self.accepted = Journal(home / "sandbox" / "accepted.jsonl", is_durable=True)
        self.events = Journal(home / "sandbox" / "events.jsonl")
        self.told = Told(self.events.path)
        self.mails: list[Mail] = []
        # Message ids must not come again after a restart, so each send's count goes on where the file ends.
        self._times = Counter(str(row.get("send_id")) for row in self.accepted.rows())

    def accept(self, body: Mapping[str, Any], now: datetime, *, is_dropped_later: bool = False) -> str:
        """Accepts a checked mail/send body: witness first, then the events, then memory.

        Args:
            body: The decoded body, free of problems.
            now: The instant of acceptance.
            is_dropped_later: Whether the provider thinks better of it and drops every mail.

        Returns:
            The message id that the answer carries.
        """
        content = {part["type"]: part["value"] for part in body.get("content") or []}
        # of what is in it and not of the order in which requests come, which no two runs have alike
        named = sorted(
            str(_merged(body, one, "custom_args").get("nurture_send_id")) for one in body["personalizations"]
        )
        key = f"{','.join(named)}:{self._times[named[0]]}:{iso(now)}"
        message_id = hashlib.sha256(key.encode()).hexdigest()[:22]
        mails: list[Mail] = []
        for envelope in body["personalizations"]:
            custom_args = _merged(body, envelope, "custom_args")
            people = [*envelope["to"], *(envelope.get("cc") or []), *(envelope.get("bcc") or [])]
            for person in people:
                outcome, delay_seconds = ("dropped", 5) if is_dropped_later else _fate(person["email"])
                mails.append(
                    Mail(
                        to=person["email"],
                        send_id=custom_args.get("nurture_send_id"),
                        message_id=message_id,
                        sg_message_id=f"{message_id}.recvd-sandbox-{len(mails)}.0",
                        accepted_at=now,
                        delivered_at=now + timedelta(seconds=delay_seconds),
                        outcome=outcome,
                        drop_reason=QUOTA if is_dropped_later else BOUNCED,
                        from_email=(body.get("from") or {}).get("email", ""),
                        categories=tuple(body.get("categories") or []),
                        custom_args=custom_args,
                        headers=_merged(body, envelope, "headers"),
                        raw_subject=envelope.get("subject") or body.get("subject") or "",
                        content=content,
                        substitutions=envelope.get("substitutions") or {},
                        attachments=tuple(body.get("attachments") or ()),
                    )
                )
        self.accepted.append(_witness(mail) for mail in mails)
        self.events.append(event for mail in mails for event in delivery_events(mail))
        self._times.update(str(mail.send_id) for mail in mails)
        self.mails.extend(mails)
        return message_id

    def to(self, address: str) -> list[Mail]:
        """Returns the mails to an address, oldest first, whatever its case."""
        return [mail for mail in list(self.mails) if mail.to.lower() == address.lower()]


def substitute(text: str, substitutions: Mapping[str, str]) -> str:
    """Replaces each tag by its value, in one pass: a value that looks like a tag stays as it is."""
    if not substitutions:
        return text
    tags = sorted(substitutions, key=len, reverse=True)
    return re.sub("|".join(re.escape(tag) for tag in tags), lambda found: substitutions[found.group()], text)


def _merged(body: Mapping[str, Any], envelope: Mapping[str, Any], name: str) -> dict[str, str]:
    """What the message says, overridden by what the personalization says."""
    return {**(body.get(name) or {}), **(envelope.get(name) or {})}


def _witness(mail: Mail) -> dict[str, str | None]:
    return {
        "send_id": mail.send_id,
        "to": mail.to,
        "message_id": mail.message_id,
        "accepted_at": iso(mail.accepted_at),
        "subject": mail.subject,
    }


def _fate(address: str) -> tuple[str, int]:
    """Decides by the address alone what becomes of a mail, and after how many seconds."""
    local = address.lower().partition("@")[0]
    if local.startswith("drop"):
        return "dropped", 0
    delay_seconds = 2 + hashlib.sha256(address.lower().encode()).digest()[0] % 28
    return ("bounce" if local.startswith("bounce") else "delivered"), delay_seconds
