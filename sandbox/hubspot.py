"""A stand-in HubSpot on the loopback: the part of its CRM API that the engine uses, with its limits and its faults.

It is written from the public documentation and was never held against an account: what it cannot know is named in
docs/reference/sfa_hubspot.md.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.hubspot_account import Account
from sandbox.hubspot_api import Desk
from sandbox.hubspot_rules import Refused
from sandbox.threaded import Threaded

TOKEN = "pat-na1-stand-in"  # noqa: S105 - opens nothing but the stand-in
"""The access token that is taken, until it is expired."""


@dataclass(frozen=True)
class Fault:
    """What the next request meets instead of an answer, or before it."""

    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0
    is_after: bool = False
    """Whether the request is carried out first, so that only its answer is lost."""


class HubSpotStandIn(Threaded):
    """One account behind HTTP, in a background thread. Use it as a context manager.

    Args:
        search_limit: How far an offset of a search reaches.
        search_page: The most records one page of a search gives.
        list_page: The most records one page of a list gives.
    """

    def __init__(self, search_limit: int = 10_000, search_page: int = 200, list_page: int = 100) -> None:
        self.desk = Desk(search_limit, search_page, list_page)
        self.reset()
        routes = [
            Route("/crm/v3/objects/{kind}", self._answering(self.desk.list), methods=["GET"]),
            Route("/crm/v3/objects/{kind}/search", self._answering(self.desk.search), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/read", self._answering(self.desk.read), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/update", self._answering(self.desk.write), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/upsert", self._answering(self.desk.write), methods=["POST"]),
            Route("/crm/v4/associations/{kind}/{to}/batch/read", self._answering(self.desk.tied), methods=["POST"]),
            Route(
                "/crm/v4/associations/{kind}/{to}/batch/associate/default",
                self._answering(self.desk.tie),
                methods=["POST"],
            ),
        ]
        super().__init__(routes, "hubspot-stand-in")
        self.url = f"hubspot://:{TOKEN}@{self.at}"

    def reset(self) -> None:
        """Begins with an empty account and no faults."""
        self.desk.reset()
        self.requests: list[tuple[str, Any]] = []
        """Address and body of every request so far."""
        self._faults: deque[Fault] = deque()
        self._token = TOKEN

    @property
    def account(self) -> Account:
        """The records, and what sales does to them."""
        return self.desk.account

    def refuse(self, *keys: str) -> None:
        """Refuses records by id, or by the value of a unique property, beside others that are taken; none ends it."""
        self.desk.refused = set(keys)

    def answer_writes(self, is_unmarked: bool = False, checks_by_record: bool = False) -> None:
        """Answers batches in another of the ways that HubSpot may.

        Args:
            is_unmarked: Leave out the marks of their inputs.
            checks_by_record: Tell invalid values beside the records that are taken.
        """
        self.desk.is_unmarked = is_unmarked
        self.desk.checks_by_record = checks_by_record

    def rate_limit(self, times: int, policy: str = "TEN_SECONDLY_ROLLING", retry_after: str | None = None) -> None:
        """Answers the next requests with 429."""
        body = {
            "status": "error",
            "message": f"You have reached your {policy.lower()} limit.",
            "errorType": "RATE_LIMIT",
            "policyName": policy,
        }
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        if retry_after is None:
            headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = "100"
        self._faults.extend([Fault(429, body, headers)] * times)

    def fail(self, times: int, status: int = 503) -> None:
        """Answers the next requests with a status."""
        self._faults.extend([Fault(status, {"status": "error", "message": "internal error"})] * times)

    def lose_answers(self, times: int) -> None:
        """Carries the next requests out, and answers as if they had failed."""
        self._faults.extend([Fault(502, is_after=True)] * times)

    def hang(self, times: int, seconds: float) -> None:
        """Lets the next requests wait before they are answered."""
        self._faults.extend([Fault(seconds=seconds)] * times)

    def lack_scopes(self, times: int, *scopes: str) -> None:
        """Answers the next requests as if the private app lacked scopes."""
        body = {
            "status": "error",
            "message": "This app hasn't been granted all required scopes to make this call.",
            "category": "MISSING_SCOPES",
            "errors": [{"message": "One or more of the following scopes are required.", "context": {}}],
        }
        body["errors"][0]["context"] = {"requiredGranularScopes": list(scopes)}  # type: ignore[index]
        self._faults.extend([Fault(403, body)] * times)

    def expire_token(self) -> None:
        """Refuses the token from now on."""
        self._token = "rotated"  # noqa: S105 - opens nothing

    def _answering(self, handle: Callable[[str, str, Request, Any], tuple[int, dict[str, Any]]]) -> Any:
        """A handler behind the faults, the token and the errors that HubSpot answers."""

        async def answer(request: Request) -> Response:
            raw = await request.body()
            body = json.loads(raw) if raw else {}
            self.requests.append((request.url.path, body))
            fault = self._faults.popleft() if self._faults else Fault()
            account = self.account
            await asyncio.sleep(fault.seconds)
            if account is not self.account:  # it hung until another account was begun
                return JSONResponse({}, 503)
            if fault.status is not None and not fault.is_after:
                return JSONResponse(dict(fault.body), fault.status, dict(fault.headers))
            if request.headers.get("authorization") != f"Bearer {self._token}":
                return JSONResponse(
                    {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "expired"}, 401
                )
            try:
                with account.lock:
                    status, found = handle(
                        request.path_params["kind"], request.path_params.get("to", ""), request, body
                    )
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            if fault.status is not None:
                return JSONResponse(dict(fault.body), fault.status, dict(fault.headers))
            return JSONResponse(found, status)

        return answer
