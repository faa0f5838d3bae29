"""The addresses below /sandbox, which no provider has: they steer the stand-in and look inside."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.checks import Problem
from sandbox.clock import Clock, iso
from sandbox.faults import Fault, Faults
from sandbox.gate import refuse
from sandbox.logs import Logs
from sandbox.mailbox import Mail, Mailbox
from sandbox.told import LISTS
from sandbox.webhook import EventWebhook, Habits


class Steering:
    """Answers the requests of whoever holds the wheel."""

    def __init__(self, mailbox: Mailbox, clock: Clock, faults: Faults, logs: Logs) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._faults = faults
        self._logs = logs
        self._webhook: EventWebhook | None = None

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/sandbox/faults", self.set_faults, methods=["PUT"]),
            Route("/sandbox/clock", self.set_clock, methods=["PUT"]),
            Route("/sandbox/suppressions", self.suppress, methods=["PUT"]),
            Route("/sandbox/logs", self.set_lag, methods=["PUT"]),
            Route("/sandbox/webhook", self.set_webhook, methods=["PUT"]),
            Route("/sandbox/webhook", self.post_events, methods=["POST"]),
            Route("/sandbox/mails", self.list_mails, methods=["GET"]),
            Route("/sandbox/health", self.health, methods=["GET"]),
        ]

    async def set_faults(self, request: Request) -> Response:
        """PUT /sandbox/faults: one fault, or a list of them; an empty list ends the trouble."""
        try:
            value = orjson.loads(await request.body())
            self._faults.set([Fault.from_json(item) for item in (value if isinstance(value, list) else [value])])
        except ValueError as error:
            return refuse(400, Problem(str(error)))
        return Response(status_code=204)

    async def set_clock(self, request: Request) -> Response:
        """PUT /sandbox/clock: an instant with an offset, or null for the wall clock."""
        try:
            now = orjson.loads(await request.body())["now"]
            self._clock.set(None if now is None else datetime.fromisoformat(now))
        except (ValueError, KeyError, TypeError) as error:
            return refuse(400, Problem(f'{{"now": "2026-04-01T09:00:00+09:00"}} is expected: {error}', "now"))
        return _json({"now": iso(self._clock.now())})

    async def suppress(self, request: Request) -> Response:
        """PUT /sandbox/suppressions: addresses for a list, or for an unsubscribe group; now, or since an instant."""
        try:
            value = orjson.loads(await request.body())
            emails = [str(email) for email in value["emails"]]
            at = datetime.fromisoformat(value["at"]) if "at" in value else self._clock.now()
            if "group" in value:
                self._mailbox.told.add_to_group(int(value["group"]), emails, at)
            else:
                self._mailbox.told.add(value["list"], emails, at)
        except (ValueError, KeyError, TypeError):
            expected = f'{{"list": "bounces", "emails": [...]}} is expected, or "group": 1; lists: {", ".join(LISTS)}'
            return refuse(400, Problem(expected))
        return Response(status_code=204)

    async def set_lag(self, request: Request) -> Response:
        """PUT /sandbox/logs: how many seconds the logs lag behind."""
        try:
            self._logs.lag = timedelta(seconds=float(orjson.loads(await request.body())["lag_seconds"]))
        except (ValueError, KeyError, TypeError):
            return refuse(400, Problem('{"lag_seconds": 600} is expected', "lag_seconds"))
        return Response(status_code=204)

    async def set_webhook(self, request: Request) -> Response:
        """PUT /sandbox/webhook: where events are posted, and how unreliably; answers the key to verify them with."""
        try:
            value = orjson.loads(await request.body())
            url, seed = str(value.pop("url")), int(value.pop("seed", 1))
            self._webhook = EventWebhook(url, Habits.from_json(value), seed, self._clock)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return refuse(400, Problem(f'{{"url": "http://127.0.0.1:8787/webhooks/sendgrid"}} is expected: {error}'))
        return _json({"public_key": self._webhook.public_key})

    async def post_events(self, request: Request) -> Response:
        """POST /sandbox/webhook: post what has happened since the last time; with ?flush=1 what was held back, too."""
        webhook, now = self._webhook, self._clock.now().timestamp()
        if webhook is None:
            return refuse(409, Problem("Say first where to, by PUT /sandbox/webhook."))
        happened = [event for event in self._mailbox.events.rows() if event["timestamp"] <= now]
        # in a thread: whoever takes the events may ask this stand-in something meanwhile
        statuses = await asyncio.to_thread(webhook.post, happened)
        if request.query_params.get("flush"):
            statuses += await asyncio.to_thread(webhook.flush)
        return _json({"statuses": statuses})

    async def list_mails(self, request: Request) -> Response:
        """GET /sandbox/mails?to=: the accepted mails, as their recipients would see them."""
        to = request.query_params.get("to")
        mails = list(self._mailbox.mails) if to is None else self._mailbox.to(to)
        return _json([_show(mail) for mail in mails])

    async def health(self, request: Request) -> Response:
        """GET /sandbox/health."""
        return _json({"status": "ok", "now": iso(self._clock.now()), "mails": len(self._mailbox.mails)})


def _show(mail: Mail) -> dict[str, Any]:
    return {
        "to": mail.to,
        "send_id": mail.send_id,
        "message_id": mail.message_id,
        "accepted_at": iso(mail.accepted_at),
        "outcome": mail.outcome,
        "categories": list(mail.categories),
        "headers": dict(mail.headers),
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    }


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
