"""The stand-in's HTTP face: SendGrid's mail/send, and a few addresses below /sandbox to steer it and look inside."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.checks import Problem, error_body
from sandbox.clock import Clock, iso
from sandbox.faults import Fault, Faults, RateLimit, drop_connection
from sandbox.mailbox import Mail, Mailbox
from sandbox.validation import check_mail

MAX_BODY_BYTES = 20 * 1024 * 1024
REFUSED_KEY = "SG.refused"
"""The key that is answered with 401, for trying that out."""


class Desk:
    """Answers the requests; its parts are shared with whoever runs it in the same process."""

    def __init__(self, mailbox: Mailbox, clock: Clock, refused_key: str, rate_limit: RateLimit) -> None:
        self.mailbox = mailbox
        self.clock = clock
        self.faults = Faults()
        self.rate_limit = rate_limit
        self._refused_key = refused_key

    async def send(self, request: Request) -> Response:
        """POST /v3/mail/send."""
        raw = await _read(request)
        fault = self.faults.take()
        if fault and fault.kind == "status":
            return _refuse(fault.status, Problem("A fault that was asked for."), dict(fault.headers))
        if fault and fault.kind == "reset_before":
            await drop_connection(request.state.transport)
            return Response(status_code=500)
        if fault and fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip() or key.strip() == self._refused_key:
            return _refuse(401, Problem("The API key is missing or was refused."))
        is_within, rate_headers = self.rate_limit.spend()
        if not is_within:
            return _refuse(429, Problem("too many requests"), rate_headers)
        if raw is None:
            page = "<html><head><title>413</title></head><body><h1>Request body too large</h1></body></html>"
            return Response(page, 413, rate_headers, "text/html")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _refuse(415, Problem("Content-Type must be application/json."), rate_headers)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return _refuse(400, Problem("The body is not JSON."), rate_headers)
        if problems := check_mail(body, self.clock.now()):
            return Response(error_body(problems), 400, rate_headers, "application/json")
        if _is_sandbox_mode(body):
            return Response(status_code=200, headers=rate_headers)
        message_id = self.mailbox.accept(body, self.clock.now())
        if fault and fault.kind == "reset_after":
            await drop_connection(request.state.transport)
        return Response(status_code=202, headers={**rate_headers, "X-Message-Id": message_id})

    async def set_faults(self, request: Request) -> Response:
        """PUT /sandbox/faults: one fault, or a list of them; an empty list ends the trouble."""
        try:
            value = orjson.loads(await request.body())
            self.faults.set([Fault.from_json(item) for item in (value if isinstance(value, list) else [value])])
        except ValueError as error:
            return _refuse(400, Problem(str(error)))
        return Response(status_code=204)

    async def set_clock(self, request: Request) -> Response:
        """PUT /sandbox/clock: an instant with an offset, or null for the wall clock."""
        try:
            now = orjson.loads(await request.body())["now"]
            self.clock.set(None if now is None else datetime.fromisoformat(now))
        except (ValueError, KeyError, TypeError) as error:
            return _refuse(400, Problem(f'{{"now": "2026-04-01T09:00:00+09:00"}} is expected: {error}', "now"))
        return _json({"now": iso(self.clock.now())})

    async def list_mails(self, request: Request) -> Response:
        """GET /sandbox/mails?to=: the accepted mails, as their recipients would see them."""
        to = request.query_params.get("to")
        return _json([_show(mail) for mail in (list(self.mailbox.mails) if to is None else self.mailbox.to(to))])

    async def health(self, request: Request) -> Response:
        """GET /sandbox/health."""
        return _json({"status": "ok", "now": iso(self.clock.now()), "mails": len(self.mailbox.mails)})


def build_app(desk: Desk) -> Starlette:
    """Builds the application around a desk."""
    routes = [
        Route("/v3/mail/send", desk.send, methods=["POST"]),
        Route("/sandbox/faults", desk.set_faults, methods=["PUT"]),
        Route("/sandbox/clock", desk.set_clock, methods=["PUT"]),
        Route("/sandbox/mails", desk.list_mails, methods=["GET"]),
        Route("/sandbox/health", desk.health, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _answer_http_error})


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refuse(error.status_code, Problem(error.detail))


async def _read(request: Request) -> bytes | None:
    """Reads the body, or None when it is over the limit; the rest is drained, or the client would see a reset."""
    body = bytearray()
    is_over = False
    async for chunk in request.stream():
        is_over = is_over or len(body) + len(chunk) > MAX_BODY_BYTES
        if not is_over:
            body += chunk
    return None if is_over else bytes(body)


def _is_sandbox_mode(body: dict[str, Any]) -> bool:
    settings = body.get("mail_settings")
    mode = settings.get("sandbox_mode") if isinstance(settings, dict) else None
    return isinstance(mode, dict) and mode.get("enable") is True


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


def _refuse(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body([problem]), status, headers, "application/json")


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
