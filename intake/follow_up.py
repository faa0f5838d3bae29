"""Sales' pages: the open handoffs, and what became of one, by the signed links of notices.

GET only ever shows, since programs that look for bad links follow them all; only POST notes what sales did. What is
wrong with a POST is told beside its field, on the same page.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from intake.bodies import read_fields
from intake.cards import KEPT_AFTER_END, Card, read_card, read_cards
from intake.context import Context, page, sender_name
from intake.facts import facts_entry
from intake.inbox import Entry
from tokens import FOLLOW_UP_SALT, HANDOFFS_SALT, TextSigner, text_reader

STATUSES = ("accepted", "contacted", "meeting", "won", "lost", "returned")
EVERYONES = "*"
_MOST_LETTERS = 200
_ONCE = re.compile(r"[0-9a-f]{32}")


class FollowUp:
    """Answers ``/h/{token}`` and ``/handoffs/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)
        keys, key = context.settings.secret_keys, context.settings.signing_key
        self._handoff = text_reader(keys, FOLLOW_UP_SALT)
        self._list = text_reader(keys, HANDOFFS_SALT)
        self._sign = TextSigner(key, FOLLOW_UP_SALT) if key is not None else None
        self._labels = {reason.id: reason.label for reason in context.rules.handoff.return_reasons}

    async def handoff(self, request: Request) -> Response:
        """GET shows one handoff with its buttons; POST notes where it stands."""
        handoff_id = self._handoff(request.path_params["token"])
        card = None
        if handoff_id is not None:
            card = await run_in_threadpool(read_card, self._context.inbox.engine, handoff_id)
        if card is None:
            return page(request, "message.html", 404, message="old_handoff", sender=self._sender)
        if request.method != "POST":
            return self._page(request, card, {"status": request.query_params.get("to", "")}, {})
        given = dict(await read_fields(request, errors="replace"))
        status = given.get("status", "")
        reason = given.get("reason", "").strip() if status == "returned" else ""
        faults = self._faults(status, reason)
        if faults:
            return self._page(request, card, given, faults)
        await self._context.inbox.append([_entry(card, status, reason, given.get("once", ""), self._context.clock())])
        return page(
            request,
            "follow_up_done.html",
            card=card,
            chosen=status,
            reason=self._labels.get(reason, reason),
            back=f"/h/{request.path_params['token']}?to={status}",
            sender=self._sender,
        )

    def _faults(self, status: str, reason: str) -> dict[str, str]:
        """The text that says what is wrong, by field; a reason is asked for only where a lead is given back."""
        if status not in STATUSES:
            return {"status": "status_missing"}
        if status != "returned":
            return {}
        if not reason:
            return {"reason": "reason_not_chosen" if self._labels else "reason_missing"}
        if self._labels:
            return {} if reason in self._labels else {"reason": "reason_unknown"}
        if len(reason) > _MOST_LETTERS:
            return {"reason": "reason_too_long"}
        return {} if reason.isprintable() and "\ufffd" not in reason else {"reason": "fault_unreadable"}

    async def handoffs(self, request: Request) -> Response:
        """The open handoffs of a rep, or of all, for as long as the link works."""
        owner, _, until = (self._list(request.path_params["token"]) or "").rpartition(" ")
        now = self._context.clock().astimezone(self._context.settings.zone)
        if not owner or date.fromisoformat(until) < now.date():
            return page(request, "message.html", 404, message="old_list", sender=self._sender)
        engine = self._context.inbox.engine
        cards = await run_in_threadpool(read_cards, engine, None if owner == EVERYONES else owner)
        mine = [card for card in cards if not card.is_ended]
        late = [card for card in mine if not card.is_called and card.due_at <= now]
        today = [
            card for card in mine if not card.is_called and now < card.due_at and self._day(card.due_at) <= now.date()
        ]
        rest = [card for card in mine if not card.is_called and self._day(card.due_at) > now.date()]
        called = [card for card in mine if card.is_called]
        groups = [("late", late), ("today", today), ("rest", rest), ("called", called)]
        return page(
            request,
            "handoffs.html",
            groups=[(name, found) for name, found in groups if found],
            figures=[(name, len(found)) for name, found in groups],
            sign=self._sign,
            stamp=self._stamp,
            is_all=owner == EVERYONES,
            now=now,
            sender=self._sender,
        )

    def _page(self, request: Request, card: Card, given: Mapping[str, str], faults: Mapping[str, str]) -> Response:
        """The page of a handoff, with what was chosen and what is wrong with that."""
        asked, once = given.get("status", ""), given.get("once", "")
        stood_for = card.reject_reason if card.status == "returned" else None
        return page(
            request,
            "follow_up.html",
            422 if faults else 200,
            card=card,
            asked=asked if asked in STATUSES else "",
            reason=given.get("reason", stood_for or ""),
            stood_for=stood_for and self._labels.get(stood_for, stood_for),
            # as what was chosen stands in the page, it is nobody else's to keep: every answer says no-store
            once=once if _ONCE.fullmatch(once) else uuid.uuid4().hex,
            faults=faults,
            statuses=STATUSES,
            reasons=self._labels,
            most_letters=_MOST_LETTERS,
            kept_days=KEPT_AFTER_END.days,
            stamp=self._stamp,
            is_waiting=not card.is_called and not card.is_ended,
            is_late=not card.is_called and not card.is_ended and card.due_at <= self._context.clock(),
            sender=self._sender,
        )

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._context.settings.zone).date()

    def _stamp(self, at: datetime, weekdays: str) -> str:
        local = at.astimezone(self._context.settings.zone)
        names = weekdays.split() if " " in weekdays else weekdays
        return f"{local.month}/{local.day}({names[local.weekday()]}) {local:%H:%M}"


def _entry(card: Card, status: str, reason: str, once: str, now: datetime) -> Entry:
    """One fact for one choice on one page, however often it is sent: pressed twice, or tried again after a fault.

    Another choice on the same page, which the browser's way back shows again, is another fact.
    """
    event_id = uuid.uuid4().hex
    if _ONCE.fullmatch(once):
        event_id = hashlib.sha256(orjson.dumps([card.handoff_id, once, status, reason])).hexdigest()[:32]
    event = {
        "event_id": event_id,
        "event_type": "sales_follow_up",
        "occurred_at": now.isoformat(),
        "properties.handoff_id": card.handoff_id,
        "properties.source": "link",
        "properties.status": status,
        **({"properties.reject_reason": reason} if reason else {}),
    }
    return facts_entry("follow_up", events=[event], key=event_id)
