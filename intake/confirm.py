"""What was agreed to in a form, confirmed by the link of the mail that asked: only a POST does."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from intake.bodies import read_form
from intake.context import Context, page, sender_name
from intake.facts import facts_entry


class Confirm:
    """Answers ``/confirm/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)

    async def confirm(self, request: Request) -> Response:
        """GET shows a button; POST confirms, once however often."""
        send_id = self._context.confirm(request.path_params["token"])
        if send_id is None:
            return page(request, "message.html", 404, message="bad_link", sender=self._sender)
        if request.method != "POST":
            return page(request, "confirm.html", sender=self._sender)
        await read_form(request)
        event = {
            "event_id": hashlib.sha256(f"confirm {send_id}".encode()).hexdigest()[:32],
            "event_type": "consent_confirmed",
            "occurred_at": self._context.clock().isoformat(),
            "send_id": send_id,
        }
        await self._context.inbox.append([facts_entry("confirm", events=[event], key=event["event_id"])])
        return page(request, "message.html", message="confirm_done", sender=self._sender)
