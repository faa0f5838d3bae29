"""A stand-in Salesforce on the loopback: the part of its APIs that the engine uses, with its limits and its faults.

It is written from the public documentation and was never held against an org: what it cannot know is named in
docs/reference/sfa_salesforce.md.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.salesforce_api import Desk
from sandbox.salesforce_org import RUN_AS, Org
from sandbox.salesforce_rules import Refused
from sandbox.threaded import Threaded

CLIENT_ID = "3MVG9.stand-in"
CLIENT_SECRET = "stand-in-secret"  # noqa: S105 - opens nothing but the stand-in
_VERSION = "62.0"
_DATA = f"/services/data/v{_VERSION}"
_INGEST = f"{_DATA}/jobs/ingest"


@dataclass(frozen=True)
class Fault:
    """What the next request meets instead of an answer, or before it."""

    status: int | None = None
    body: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0
    is_after: bool = False
    """Whether the request is carried out first, so that only its answer is lost."""


class SalesforceStandIn(Threaded):
    """One org behind HTTP, in a background thread. Use it as a context manager.

    Args:
        page: The most records one page of a query gives.
    """

    def __init__(self, page: int = 2_000) -> None:
        self.desk = Desk(page)
        self.desk.path = _DATA
        self.reset()
        found = [
            ("GET", f"{_DATA}/query/", lambda request, _: self._query(request, False)),
            ("GET", f"{_DATA}/queryAll/", lambda request, _: self._query(request, True)),
            ("GET", f"{_DATA}/query/{{locator}}", lambda request, _: self.desk.more(request.path_params["locator"])),
            ("POST", f"{_DATA}/composite", lambda _, body: self.desk.composite(json.loads(body))),
            ("PATCH", f"{_DATA}/composite/sobjects", self._collection),
            ("PATCH", f"{_DATA}/composite/sobjects/{{kind}}/{{key}}", self._collection),
            ("POST", _INGEST, lambda _, body: self.desk.make_job(json.loads(body))),
            ("GET", f"{_INGEST}/{{id}}", lambda request, _: self.desk.job(request.path_params["id"])),
            ("PATCH", f"{_INGEST}/{{id}}", self._end_job),
            ("PUT", f"{_INGEST}/{{id}}/batches", self._upload),
            ("GET", f"{_INGEST}/{{id}}/{{which}}", self._results),
        ]
        routes = [Route(path, self._answering(handle), methods=[method]) for method, path, handle in found]
        super().__init__(
            [Route("/services/oauth2/token", self._login, methods=["POST"]), *routes], "salesforce-stand-in"
        )
        self.url = f"salesforce://{CLIENT_ID}:{CLIENT_SECRET}@{self.at}"

    def reset(self) -> None:
        """Begins with an empty org and no faults."""
        self.desk.reset()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, address and headers of every request so far."""
        self.logins = 0
        self._faults: deque[Fault] = deque()
        self._refusal: dict[str, str] | None = None
        self._is_open = True

    @property
    def org(self) -> Org:
        """The records, and what sales does to them."""
        return self.desk.org

    def refuse(self, *keys: str) -> None:
        """Refuses records by id, or by their external id, beside others that are taken; none ends it."""
        self.org.refused = set(keys)

    def use_up_requests(self, times: int) -> None:
        """Answers the next requests as if those of the day were used up."""
        body = {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}
        self._faults.extend([Fault(403, [body])] * times)

    def rate_limit(self, times: int, status: int = 429, retry_after: str | None = None) -> None:
        """Answers the next requests as if too many came at once."""
        message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._faults.extend(
            [Fault(status, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": message}], headers)] * times
        )

    def fail(self, times: int, status: int = 503, code: str = "SERVER_UNAVAILABLE", message: str = "busy") -> None:
        """Answers the next requests with a status."""
        self._faults.extend([Fault(status, [{"errorCode": code, "message": message}])] * times)

    def show_page(self, times: int, status: int = 200) -> None:
        """Answers the next requests with a page that is none of Salesforce's."""
        self._faults.extend([Fault(status, (), {"Content-Type": "text/html", "Location": "/login"})] * times)

    def lose_answers(self, times: int) -> None:
        """Carries the next requests out, and answers as if they had failed."""
        self._faults.extend([Fault(502, is_after=True)] * times)

    def hang(self, times: int, seconds: float) -> None:
        """Lets the next requests wait before they are answered."""
        self._faults.extend([Fault(seconds=seconds)] * times)

    def pass_over(self, times: int) -> None:
        """Lets the next requests be answered as they are, before other faults."""
        self._faults.extend([Fault()] * times)

    def expire_session(self) -> None:
        """Takes no session that was opened so far."""
        self.logins += 1

    def close_sessions(self) -> None:
        """Opens sessions, and takes none of them."""
        self._is_open = False

    def refuse_login(self, error: str = "invalid_client", description: str = "invalid client credentials") -> None:
        """Opens no session."""
        self._refusal = {"error": error, "error_description": description}

    async def _login(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.requests.append(("POST", request.url.path, dict(request.headers)))
        if self._refusal is not None:
            return JSONResponse(self._refusal, 400)
        if form != {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}:
            return JSONResponse({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        self.logins += 1
        base = f"http://{self.at}"
        identity = f"{base}/id/00D000000000001AAA/{RUN_AS}"
        return JSONResponse({"access_token": f"session-{self.logins}", "instance_url": base, "id": identity})

    def _query(self, request: Request, has_deleted: bool) -> Any:
        return self.desk.query(str(request.url), request.query_params["q"], has_deleted)

    def _collection(self, request: Request, body: bytes) -> Any:
        return self.desk.collection(request.path_params.get("kind"), request.path_params.get("key"), json.loads(body))

    def _end_job(self, request: Request, body: bytes) -> Any:
        return self.desk.end_job(request.path_params["id"], json.loads(body)["state"])

    def _upload(self, request: Request, body: bytes) -> Response:
        self.desk.jobs[request.path_params["id"]]["csv"] = body.decode()
        return Response(status_code=201)

    def _results(self, request: Request, _: bytes) -> Response:
        table = self.desk.results(request.path_params["id"], request.path_params["which"])
        return Response(table, headers={"Content-Type": "text/csv"})

    def _answering(self, handle: Callable[[Request, bytes], Any]) -> Any:
        """A handler behind the faults, the session and the errors that Salesforce answers."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            self.requests.append((request.method, str(request.url), dict(request.headers)))
            fault = self._faults.popleft() if self._faults else Fault()
            org = self.org
            await asyncio.sleep(fault.seconds)
            if org is not self.org:  # it hung until another org was begun
                return JSONResponse([], 503)
            broken = JSONResponse(list(fault.body), fault.status or 200, dict(fault.headers))
            if fault.status is not None and not fault.is_after:
                return broken
            if request.headers.get("authorization") != f"Bearer session-{self.logins}" or not self._is_open:
                expired = {"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}
                return JSONResponse([expired], 401)
            try:
                with org.lock:
                    found = handle(request, body)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            if fault.status is not None:
                return broken
            return found if isinstance(found, Response) else JSONResponse(found)

        return answer
