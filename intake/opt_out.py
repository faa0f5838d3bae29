"""Opt-out and preferences, by the signed token of a mail.

GET only ever shows a page, since programs that look for bad links follow them all; only POST acts. A POST needs neither
login nor page before it (RFC 8058), and the token alone says who it is for, so no cookie can be misused.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from intake.bodies import read_fields, read_form
from intake.context import Context, page, sender_name
from intake.facts import facts_entry
from rules.forms import ENGLISH_LABELS

KINDS = ("newsletter", "step", "trigger")
PAUSES = (30, 60, 90)
"""Days."""
MOST_LETTERS = 200
_CORRECTED = ("name", "company", "title", "phone")
_EVENTS = {"stop": "mail_unsubscribe", "resume": "mail_resubscribe"}


class OptOut:
    """Answers ``/u/{token}`` and ``/preferences/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)
        known = {field.id: field for field in context.rules.fields}
        self._fields = [known[name] for name in _CORRECTED if name in known]

    async def opt_out(self, request: Request) -> Response:
        """GET shows a button; POST ends the mails."""
        token = request.path_params["token"]
        send_id = self._context.opt_out(token)
        if send_id is None:
            return self._bad_link(request)
        preferences = f"/preferences/{token}"
        if request.method != "POST":
            return page(request, "opt_out.html", preferences=preferences, sender=self._sender)
        is_one_click = dict(await read_form(request)).get("List-Unsubscribe") == "One-Click"
        events = _events(send_id, {"all": "stop"}, "one_click" if is_one_click else "page", self._context.clock())
        await self._context.inbox.append([facts_entry("opt_out", events=events)])
        return page(request, "message.html", message="opt_out_done", preferences=preferences, sender=self._sender)

    async def preferences(self, request: Request) -> Response:
        """GET shows the choices; POST takes those that change something."""
        token = request.path_params["token"]
        send_id = self._context.opt_out(token)
        if send_id is None:
            return self._bad_link(request)
        if request.method != "POST":
            return page(
                request,
                "preferences.html",
                kinds=KINDS,
                pauses=PAUSES,
                fields=self._fields,
                english=ENGLISH_LABELS,
                most_letters=MOST_LETTERS,
                opt_out=f"/u/{token}",
                sender=self._sender,
            )
        given = dict(await read_fields(request))
        choices = {kind: given.get(kind, "keep") for kind in KINDS}
        pause = given.get("pause_days") or "0"
        told = {
            field.id: unicodedata.normalize("NFKC", given.get(f"lead.{field.id}", "")).strip() for field in self._fields
        }
        corrected = {name: value for name, value in told.items() if value}
        is_fine = set(choices.values()) <= {"keep", *_EVENTS} and pause in {"0", *map(str, PAUSES)}
        if not is_fine or any(len(value) > MOST_LETTERS or not value.isprintable() for value in corrected.values()):
            return page(request, "message.html", 422, message="refused", sender=self._sender)
        now = self._context.clock()
        changed = {kind: choice for kind, choice in choices.items() if choice != "keep"}
        events = [*_events(send_id, changed, "preferences", now), *_pause(send_id, int(pause), now)]
        leads = [{"send_id": send_id, "occurred_at": now.isoformat(), **corrected}] if corrected else []
        if events or leads:
            await self._context.inbox.append([facts_entry("preferences", events=events, leads=leads)])
        message = "preferences_done" if events or leads else "preferences_none"
        return page(request, "message.html", message=message, sender=self._sender)

    def _bad_link(self, request: Request) -> Response:
        return page(request, "message.html", 404, message="bad_link", sender=self._sender)


def _events(send_id: str, choices: Mapping[str, str], way: str, now: datetime) -> list[dict[str, str]]:
    """What the reader of a send wants by kind of mail, ``all`` being every kind."""
    return [
        {
            "event_id": uuid.uuid4().hex,
            "event_type": _EVENTS[choice],
            "occurred_at": now.isoformat(),
            "send_id": send_id,
            "properties.way": way,
            **({} if mail_kind == "all" else {"properties.mail_kind": mail_kind}),
        }
        for mail_kind, choice in choices.items()
    ]


def _pause(send_id: str, days: int, now: datetime) -> list[dict[str, str]]:
    """A pause is a group of one's own that is left now and joined again later, which lifts nothing but itself."""
    if not days:
        return []
    group = f"pause {uuid.uuid4().hex}"
    return [
        {
            "event_id": uuid.uuid4().hex,
            "event_type": event_type,
            "occurred_at": at.isoformat(),
            "send_id": send_id,
            "properties.way": "pause",
            "properties.asm_group_id": group,
        }
        for event_type, at in (("mail_unsubscribe", now), ("mail_resubscribe", now + timedelta(days=days)))
    ]
