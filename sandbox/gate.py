"""What every request to the provider passes first: a fault that was asked for, the key, the rate limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from sandbox.checks import Problem, error_body
from sandbox.faults import Fault, Faults, RateLimit, drop_connection

Answering = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Pass:
    """A request that was let in: the fault that still waits for its answer, and the headers the answer carries."""

    fault: Fault | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Gate:
    """Lets requests in.

    Args:
        refused_key: The API key that is answered with 401.
        rate_limit: The rate above which 429 is answered, for each address on its own.
    """

    def __init__(self, refused_key: str, rate_limit: RateLimit) -> None:
        self.faults = Faults()
        self.rate_limit = rate_limit
        self._refused_key = refused_key

    async def enter(self, request: Request) -> Pass | Response:
        """Returns how a request goes on, or the answer that ends it here."""
        path = request.url.path
        fault = self.faults.take(path)
        if fault and fault.kind == "status":
            return refuse(fault.status, Problem("A fault that was asked for."), fault.headers)
        if fault and fault.kind == "reset_before":
            await drop_connection(request.state.transport)
            return Response(status_code=500)
        if fault and fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip() or key.strip() == self._refused_key:
            return refuse(401, Problem("The API key is missing or was refused."))
        is_within, headers = self.rate_limit.spend("/".join(path.split("/")[:4]))
        if not is_within:
            return refuse(429, Problem("too many requests"), headers)
        return Pass(fault, headers)

    async def leave(self, request: Request, passed: Pass) -> None:
        """Plays the fault that comes after the work is done."""
        if passed.fault and passed.fault.kind == "reset_after":
            await drop_connection(request.state.transport)

    def guard(self, answer: Answering) -> Answering:
        """Puts the gate before a function that answers a request."""

        async def guarded(request: Request) -> Response:
            passed = await self.enter(request)
            if isinstance(passed, Response):
                return passed
            response = await answer(request)
            response.headers.update(passed.headers)
            await self.leave(request, passed)
            return response

        return guarded


def refuse(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in the shape of SendGrid's errors."""
    return Response(error_body([problem]), status, dict(headers or {}), "application/json")
