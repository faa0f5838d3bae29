"""The stand-in's HTTP face: SendGrid's mail/send, its suppressions and its logs, and a few addresses to steer it."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.checks import Problem, error_body
from sandbox.clock import Clock
from sandbox.faults import RateLimit
from sandbox.gate import Gate, refuse
from sandbox.logs import Logs
from sandbox.mailbox import Mailbox
from sandbox.steering import Steering
from sandbox.suppressions import Suppressions
from sandbox.validation import check_mail

MAX_BODY_BYTES = 20 * 1024 * 1024
REFUSED_KEY = "SG.refused"
"""The key that is answered with 401, for trying that out."""


class Desk:
    """Answers the requests; its parts are shared with whoever runs it in the same process."""

    def __init__(self, mailbox: Mailbox, clock: Clock, refused_key: str, rate_limit: RateLimit) -> None:
        self.mailbox = mailbox
        self.clock = clock
        self.gate = Gate(refused_key, rate_limit)
        self.logs = Logs(mailbox, clock)

    async def send(self, request: Request) -> Response:
        """POST /v3/mail/send."""
        raw = await _read(request)
        passed = await self.gate.enter(request)
        if isinstance(passed, Response):
            return passed
        headers = dict(passed.headers)
        if raw is None:
            page = "<html><head><title>413</title></head><body><h1>Request body too large</h1></body></html>"
            return Response(page, 413, headers, "text/html")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return refuse(415, Problem("Content-Type must be application/json."), headers)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return refuse(400, Problem("The body is not JSON."), headers)
        if problems := check_mail(body, self.clock.now()):
            return Response(error_body(problems), 400, headers, "application/json")
        if _is_sandbox_mode(body):
            return Response(status_code=200, headers=headers)
        is_dropped_later = passed.fault is not None and passed.fault.kind == "accept_then_drop"
        message_id = self.mailbox.accept(body, self.clock.now(), is_dropped_later=is_dropped_later)
        await self.gate.leave(request, passed)
        return Response(status_code=202, headers={**headers, "X-Message-Id": message_id})


def build_app(desk: Desk) -> Starlette:
    """Builds the application around a desk."""
    guard = desk.gate.guard
    suppressions = Suppressions(desk.mailbox.told, desk.clock)
    routes = [
        Route("/v3/mail/send", desk.send, methods=["POST"]),
        Route("/v3/suppression/{name}", guard(suppressions.list_one), methods=["GET"]),
        Route("/v3/asm/suppressions", guard(suppressions.list_groups), methods=["GET"]),
        Route("/v3/asm/groups/{group:int}/suppressions", guard(suppressions.list_group), methods=["GET"]),
        Route("/v3/logs", guard(desk.logs.search), methods=["POST"]),
        Route("/v3/logs/{sg_message_id}", guard(desk.logs.show), methods=["GET"]),
        *Steering(desk.mailbox, desk.clock, desk.gate.faults, desk.logs).routes(),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _answer_http_error})


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refuse(error.status_code, Problem(error.detail))


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
