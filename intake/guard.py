"""What stands before every answer: how much is read, how often one may ask, and which headers go back.

Nothing of a request is logged but its route, method and status: no address, token or person.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import CollectorRegistry, Counter, Histogram
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from intake.context import page

logger = logging.getLogger("nurture.intake")
_KILOBYTE = 1024
BODY_LIMITS: Mapping[str, int] = {"webhooks": 2048 * _KILOBYTE, "forms": 64 * _KILOBYTE}
"""The most bytes a request may bring, by the first part of its path; SendGrid posts up to 768 KB."""
BODY_LIMIT = 16 * _KILOBYTE
ASKED_A_MINUTE: Mapping[str, int] = {"forms": 20, "u": 60, "preferences": 60, "confirm": 60, "d": 60, "t": 240, "h": 60}
"""Requests a minute that leave an entry, from one address; others are not counted."""
NOTED_WHEN_SEEN = frozenset({"d"})
"""Routes where a GET leaves an entry, too."""
ROUTES = frozenset({*BODY_LIMITS, *ASKED_A_MINUTE, "handoffs", "dashboard", "t.js", "healthz", "metrics", "intake.css"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, *, is_https: bool, sender: str) -> None:
        self._app = app
        self._sender = sender
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limits = {route: RateLimitItemPerMinute(number) for route, number in ASKED_A_MINUTE.items()}
        self._headers = dict(_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"
        self._requests = Counter(
            "nurture_intake_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "nurture_intake_request_seconds", "Seconds until a request was answered.", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        route = first if first in ROUTES else "other"
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
        status = 500
        is_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, receive, send_with_headers, route)
        except Exception as error:
            if is_begun:
                raise
            is_down = isinstance(error, SQLAlchemyError)
            logger.error("%s %s: %s", method, route, type(error).__name__)
            answer = page(Request(scope), "message.html", 503 if is_down else 500, message="busy", sender=self._sender)
            answer.headers["Retry-After"] = "10"
            await answer(scope, receive, send_with_headers)
        finally:
            self._requests.labels(route, method, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        request = Request(scope)
        if route in self._limits and (scope["method"] == "POST" or route in NOTED_WHEN_SEEN):
            client = scope["client"][0] if scope.get("client") else ""
            # providers post many readers' one-click opt-outs from one address: those are counted by their link
            who = scope["path"] if route == "u" else client
            if not self._limiter.hit(self._limits[route], route, who):
                answer = page(request, "message.html", 429, message="busy", sender=self._sender)
                answer.headers["Retry-After"] = "60"
                await answer(scope, receive, send)
                return
        most = BODY_LIMITS.get(route, BODY_LIMIT)
        told = request.headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > most:
            await self._refuse_size(request, receive, send)
            return
        read = 0

        async def receive_within() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > most:
                    raise HTTPException(413)
            return message

        await self._app(scope, receive_within, send)

    async def _refuse_size(self, request: Request, receive: Receive, send: Send) -> None:
        answer = page(request, "message.html", 413, message="refused", sender=self._sender)
        answer.headers["Connection"] = "close"
        await answer(request.scope, receive, send)
