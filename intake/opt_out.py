"""Opt-out and preferences, by the signed token of a mail.

GET only ever shows a page, since programs that look for bad links follow them all; only POST acts. A POST needs neither
login nor page before it (RFC 8058), and the token alone says who it is for, so no cookie can be misused.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from intake.context import Context, page, sender_name
from intake.facts import facts_entry

KINDS = ("newsletter", "step", "trigger")
_EVENTS = {"stop": "mail_unsubscribe", "resume": "mail_resubscribe"}


class OptOut:
    """Answers ``/u/{token}`` and ``/preferences/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)

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
        await self._take("opt_out", send_id, {"all": "stop"}, "one_click" if is_one_click else "page")
        return page(request, "message.html", message="opt_out_done", preferences=preferences, sender=self._sender)

    async def preferences(self, request: Request) -> Response:
        """GET shows the choices; POST takes those that change something."""
        token = request.path_params["token"]
        send_id = self._context.opt_out(token)
        if send_id is None:
            return self._bad_link(request)
        if request.method != "POST":
            return page(request, "preferences.html", kinds=KINDS, opt_out=f"/u/{token}", sender=self._sender)
        given = dict(await read_form(request))
        choices = {kind: given.get(kind, "keep") for kind in KINDS}
        if not set(choices.values()) <= {"keep", *_EVENTS}:
            return page(request, "message.html", 422, message="refused", sender=self._sender)
        changed = {kind: choice for kind, choice in choices.items() if choice != "keep"}
        if changed:
            await self._take("preferences", send_id, changed, "preferences")
        return page(
            request,
            "message.html",
            message="preferences_done" if changed else "preferences_none",
            sender=self._sender,
        )

    async def _take(self, kind: str, send_id: str, choices: Mapping[str, str], way: str) -> None:
        """Note what the reader of a send wants by kind of mail, ``all`` being every kind."""
        now = self._context.clock().isoformat()
        events = [
            {
                "event_id": uuid.uuid4().hex,
                "event_type": _EVENTS[choice],
                "occurred_at": now,
                "send_id": send_id,
                "properties.way": way,
                **({} if mail_kind == "all" else {"properties.mail_kind": mail_kind}),
            }
            for mail_kind, choice in choices.items()
        ]
        await self._context.inbox.append([facts_entry(kind, events=events)])

    def _bad_link(self, request: Request) -> Response:
        return page(request, "message.html", 404, message="bad_link", sender=self._sender)


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The fields of a urlencoded body; none where it is something else or no UTF-8.

    RFC 8058 lets a one-click POST come as multipart/form-data, too: it acts whatever it says.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        await request.body()
        return []
    try:
        text = (await request.body()).decode()
        return parse_qsl(text, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        return []
