"""The lists of addresses that get no more mail, as SendGrid's suppression endpoints answer them."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.checks import Problem
from sandbox.clock import Clock
from sandbox.gate import refuse
from sandbox.told import LISTS, Told

MAX_PAGE = 500
DEFAULT_PAGE = 500


class Suppressions:
    """Answers questions for suppressed addresses."""

    def __init__(self, told: Told, clock: Clock) -> None:
        self._told = told
        self._clock = clock

    async def list_one(self, request: Request) -> Response:
        """GET /v3/suppression/{list}: a page, by `limit` and `offset`, of a span of time."""
        name = request.path_params["name"]
        if name not in LISTS:
            return refuse(404, Problem("Not Found"))
        numbers: dict[str, int | None] = {}
        for field in ("limit", "offset", "start_time", "end_time"):
            text = request.query_params.get(field)
            if text is not None and not text.isdecimal():
                return refuse(400, Problem(f"{field} must be a whole number.", field))
            numbers[field] = None if text is None else int(text)
        limit = DEFAULT_PAGE if numbers["limit"] is None else numbers["limit"]
        if not 1 <= limit <= MAX_PAGE:
            return refuse(400, Problem(f"limit must be between 1 and {MAX_PAGE}.", "limit"))
        since, until = numbers["start_time"] or 0, numbers["end_time"]
        found = [
            entry
            for entry in self._told.suppressed(name, self._clock.now())
            if since <= int(entry["created"]) and (until is None or int(entry["created"]) <= until)
        ]
        offset = numbers["offset"] or 0
        return _json(found[offset : offset + limit])

    async def list_groups(self, request: Request) -> Response:
        """GET /v3/asm/suppressions: every address of every group, without pages."""
        return _json(self._told.grouped(self._clock.now()))

    async def list_group(self, request: Request) -> Response:
        """GET /v3/asm/groups/{id}/suppressions: the addresses of one group, bare."""
        group = request.path_params["group"]
        return _json([entry["email"] for entry in self._told.grouped(self._clock.now()) if entry["group_id"] == group])


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
