"""A stand-in HubSpot on the loopback: the part of its CRM API that the engine uses, with its limits and its faults.

It is written from the public documentation and was never held against an account: what it cannot know is named in
docs/reference/sfa_hubspot.md.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.hubspot_account import STAMPS, Account, Record, Refused, iso

TOKEN = "pat-na1-stand-in"  # noqa: S105 - opens nothing but the stand-in
"""The access token that is taken, until it is expired."""


class _PromptProtocol(H11Protocol):
    """Answers leave at once: on a kept connection their bodies would wait 40 ms for their heads to be acknowledged."""

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


@dataclass(frozen=True)
class Fault:
    """What the next request meets instead of an answer, or before it."""

    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0


class HubSpotStandIn:
    """One account behind HTTP, in a background thread. Use it as a context manager.

    Args:
        search_limit: How far an offset of a search reaches.
        search_page: The most records one page of a search gives.
        list_page: The most records one page of a list gives.
    """

    def __init__(self, search_limit: int = 10_000, search_page: int = 200, list_page: int = 100) -> None:
        self._limits = (search_limit, search_page, list_page)
        self.reset()
        routes = [
            Route("/crm/v3/objects/{kind}", self._answering(self._list), methods=["GET"]),
            Route("/crm/v3/objects/{kind}/search", self._answering(self._search), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/read", self._answering(self._read), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/update", self._answering(self._write), methods=["POST"]),
            Route("/crm/v3/objects/{kind}/batch/upsert", self._answering(self._write), methods=["POST"]),
            Route("/crm/v4/associations/{kind}/{to}/batch/read", self._answering(self._tied), methods=["POST"]),
            Route(
                "/crm/v4/associations/{kind}/{to}/batch/associate/default", self._answering(self._tie), methods=["POST"]
            ),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http=_PromptProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="hubspot-stand-in", daemon=True)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"hubspot://:{TOKEN}@127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the stand-in did not come up")
            time.sleep(0.005)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def reset(self) -> None:
        """Begins with an empty account and no faults."""
        self.account = Account()
        self.requests: list[tuple[str, Any]] = []
        """Address and body of every request so far."""
        self.refused: set[str] = set()
        """Ids, or values of a unique property, of records that are refused beside others that are taken."""
        self.unmarked = False
        """Whether answers to batches leave out the marks of their inputs, as HubSpot may."""
        self._faults: deque[Fault] = deque()
        self._token = TOKEN

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

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _answering(self, handle: Callable[[str, str, Request, Any], tuple[int, dict[str, Any]]]) -> Any:
        """A handler behind the faults, the token and the errors that HubSpot answers."""

        async def answer(request: Request) -> Response:
            raw = await request.body()
            body = json.loads(raw) if raw else {}
            self.requests.append((request.url.path, body))
            fault = self._faults.popleft() if self._faults else Fault()
            await asyncio.sleep(fault.seconds)
            if fault.status is not None:
                return JSONResponse(dict(fault.body), fault.status, dict(fault.headers))
            if request.headers.get("authorization") != f"Bearer {self._token}":
                return JSONResponse(
                    {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "expired"}, 401
                )
            try:
                with self.account.lock:
                    status, found = handle(
                        request.path_params["kind"], request.path_params.get("to", ""), request, body
                    )
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)
            return JSONResponse(found, status)

        return answer

    def _list(self, kind: str, _: str, request: Request, __: Any) -> tuple[int, dict[str, Any]]:
        query = request.query_params
        size = min(int(query.get("limit", 10)), self._limits[2])
        is_archived = query.get("archived", "").lower() == "true"
        rows = sorted(
            (record for record in self.account.records[kind].values() if (record.archived is not None) == is_archived),
            key=lambda record: int(record.id),
        )
        rest = [record for record in rows if int(record.id) > int(query.get("after", 0))]
        found: dict[str, Any] = {"results": [_shown(kind, row, query.getlist("properties")) for row in rest[:size]]}
        if len(rest) > size:
            found["paging"] = {"next": {"after": rest[size - 1].id}}
        return 200, found

    def _search(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        offset, size = int(body.get("after", 0)), int(body.get("limit", 10))
        if size > self._limits[1]:
            raise Refused(400, f"limit must not exceed {self._limits[1]}")
        if offset + size > self._limits[0]:
            raise Refused(400, f"Paging through more than {self._limits[0]} results is not supported")
        if len(body.get("sorts", [])) > 1:
            raise Refused(400, "Only one sort is supported")
        [group] = body["filterGroups"]
        rows = [row for row in self.account.alive(kind) if all(_fulfils(kind, row, test) for test in group["filters"])]
        for sort in body.get("sorts", []):
            rows.sort(key=lambda row: int(_value(kind, row, sort["propertyName"]) or 0))
        found: dict[str, Any] = {
            "total": len(rows),
            "results": [_shown(kind, row, body["properties"]) for row in rows[offset : offset + size]],
        }
        if len(rows) > offset + size:
            found["paging"] = {"next": {"after": str(offset + size)}}
        return 200, found

    def _read(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        ids = [item["id"] for item in _batch(body)]
        rows = {id_: self.account.find(kind, id_, body.get("idProperty")) for id_ in ids}
        found = {row.id: row for row in rows.values() if row is not None}
        answer: dict[str, Any] = {"results": [_shown(kind, row, body["properties"]) for row in found.values()]}
        gone = [id_ for id_, row in rows.items() if row is None]
        return _told(answer, [_not_found(gone)] if gone else [])

    def _write(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        inputs = _batch(body)
        self.account.check(kind, inputs)
        results, errors = [], []
        for item in inputs:
            mark = item.get("objectWriteTraceId")
            if item["id"] in self.refused:
                message = f"{item['properties'].get('email', 'this record')} is refused by a rule of the account"
                context = {} if self.unmarked else {"objectWriteTraceId": [mark]}
                errors.append(
                    {"status": "error", "category": "VALIDATION_ERROR", "message": message, "context": context}
                )
            elif (written := self.account.write(kind, item)) is None:
                errors.append(_not_found([item["id"]]))
            else:
                shown = _shown(kind, written[0], item["properties"]) | {"new": written[1]}
                results.append(shown if self.unmarked else shown | {"objectWriteTraceId": mark})
        return _told({"results": results}, errors)

    def _tied(self, kind: str, to: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        results, missing = [], []
        for item in _batch(body):
            if others := self.account.tied(kind, item["id"], to):
                ties = [{"toObjectId": int(other), "associationTypes": []} for other in others]
                results.append({"from": {"id": item["id"]}, "to": ties})
            else:
                missing.append(item["id"])
        return _told({"results": results}, [_not_found(missing)] if missing else [])

    def _tie(self, kind: str, to: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        pairs = [(item["from"]["id"], item["to"]["id"]) for item in _batch(body)]
        for one, other in pairs:
            if {one, other} & self.refused:
                raise Refused(400, f"{other} cannot be associated with {one}")
        for one, other in pairs:
            self.account.tie(kind, one, to, other)
        return 200, {
            "status": "COMPLETE",
            "results": [{"from": {"id": one}, "to": {"id": other}} for one, other in pairs],
        }


def _batch(body: Any) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = body["inputs"]
    if not 0 < len(inputs) <= 100:
        raise Refused(400, f"{len(inputs)} inputs; from 1 to 100 are taken")
    return inputs


def _told(answer: dict[str, Any], errors: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    if not errors:
        return 200, {"status": "COMPLETE"} | answer
    return 207, {"status": "COMPLETE", "numErrors": len(errors), "errors": errors} | answer


def _not_found(ids: list[str]) -> dict[str, Any]:
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}


def _value(kind: str, record: Record, name: str) -> str | None:
    """A property as a search compares it: stamps in milliseconds."""
    if name == STAMPS[kind]:
        return str(record.modified)
    return record.id if name == "hs_object_id" else record.properties.get(name) or None


def _fulfils(kind: str, record: Record, test: Mapping[str, Any]) -> bool:
    value = _value(kind, record, test["propertyName"])
    match test["operator"]:
        case "HAS_PROPERTY":
            return value is not None
        case "EQ":
            return value == str(test["value"])
        case "GT":
            return value is not None and int(value) > int(test["value"])
        case "GTE":
            return value is not None and int(value) >= int(test["value"])
    raise Refused(400, f"operator {test['operator']} is not known")


def _shown(kind: str, record: Record, names: Any) -> dict[str, Any]:
    """A record as HubSpot answers it: what was asked for, and what always comes along."""
    own = {"hs_object_id": record.id, "createdate": iso(record.created), STAMPS[kind]: iso(record.modified)}
    asked = {name: record.properties.get(name) or None for name in names if name not in own}
    shown = {
        "id": record.id,
        "properties": asked | own,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.modified),
        "archived": record.archived is not None,
    }
    return shown | ({} if record.archived is None else {"archivedAt": iso(record.archived)})
