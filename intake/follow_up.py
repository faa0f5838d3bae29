"""Sales' pages: the open handoffs, and what became of one, by the signed links of notices.

GET only ever shows, since programs that look for bad links follow them all; only POST notes what sales did.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from intake.bodies import read_fields
from intake.cards import Card, read_card, read_cards
from intake.context import Context, page, sender_name
from intake.facts import facts_entry
from intake.inbox import Entry
from tokens import FOLLOW_UP_SALT, HANDOFFS_SALT, text_reader, text_signer

STATUSES = ("accepted", "contacted", "meeting", "won", "lost", "returned")
EVERYONES = "*"
_MOST_LETTERS = 200


class FollowUp:
    """Answers ``/h/{token}`` and ``/handoffs/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)
        keys = context.settings.secret_keys
        self._handoff = text_reader(keys, FOLLOW_UP_SALT)
        self._list = text_reader(keys, HANDOFFS_SALT)
        self._sign = text_signer(keys[0], FOLLOW_UP_SALT) if keys else None
        self._reasons = context.rules.handoff.return_reasons

    async def handoff(self, request: Request) -> Response:
        """GET shows one handoff with its buttons; POST notes where it stands."""
        handoff_id = self._handoff(request.path_params["token"])
        card = None
        if handoff_id is not None:
            card = await run_in_threadpool(read_card, self._context.inbox.engine, handoff_id)
        if card is None:
            return page(request, "message.html", 404, message="old_handoff", sender=self._sender)
        if request.method != "POST":
            asked = request.query_params.get("to", "")
            return self._page(request, card, asked if asked in STATUSES else "")
        given = dict(await read_fields(request))
        status, reason = given.get("status", ""), given.get("reason", "").strip()
        known = {one.id for one in self._reasons}
        if status not in STATUSES or len(reason) > _MOST_LETTERS or not (reason or "-").isprintable():
            return page(request, "message.html", 422, message="refused", sender=self._sender)
        if status != "returned":
            reason = ""
        elif not reason or (known and reason not in known):
            return self._page(request, card, status, 422, is_reason_missing=True)
        await self._context.inbox.append([_entry(card.handoff_id, status, reason, self._context.clock())])
        return page(request, "follow_up_done.html", card=card, chosen=status, sender=self._sender)

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
        end = now.replace(hour=23, minute=59, second=59)
        today = [card for card in mine if not card.is_called and now < card.due_at <= end]
        rest = [card for card in mine if not card.is_called and card.due_at > end]
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

    def _page(
        self, request: Request, card: Card, asked: str, status: int = 200, *, is_reason_missing: bool = False
    ) -> Response:
        return page(
            request,
            "follow_up.html",
            status,
            card=card,
            asked=asked,
            statuses=STATUSES,
            reasons=self._reasons,
            most_letters=_MOST_LETTERS,
            is_reason_missing=is_reason_missing,
            stamp=self._stamp,
            is_late=not card.is_called and not card.is_ended and card.due_at <= self._context.clock(),
            sender=self._sender,
        )

    def _stamp(self, at: datetime, weekdays: str) -> str:
        local = at.astimezone(self._context.settings.zone)
        names = weekdays.split() if " " in weekdays else weekdays
        return f"{local.month}/{local.day}({names[local.weekday()]}) {local:%H:%M}"


def _entry(handoff_id: str, status: str, reason: str, now: datetime) -> Entry:
    event = {
        "event_id": uuid.uuid4().hex,
        "event_type": "sales_follow_up",
        "occurred_at": now.isoformat(),
        "properties.handoff_id": handoff_id,
        "properties.source": "link",
        "properties.status": status,
        **({"properties.reject_reason": reason} if reason else {}),
    }
    return facts_entry("follow_up", events=[event])
