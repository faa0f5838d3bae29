"""Reads what a request brings, and refuses what is no form."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_FIELDS = 100
_VISITOR = re.compile(r"[0-9a-zA-Z_-]{16,64}")
VISITOR_COOKIE = "nv"


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The fields of a urlencoded body; none where it is something else or no UTF-8.

    RFC 8058 lets a one-click POST come as multipart/form-data, too: it acts whatever it says.
    """
    try:
        return await read_fields(request)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        return []


async def read_fields(request: Request, *, errors: Literal["strict", "replace"] = "strict") -> list[tuple[str, str]]:
    """The fields of a urlencoded body. With ``replace`` what is no UTF-8 is U+FFFD, and the others can be read.

    Raises:
        HTTPException: 415 where it is something else, 400 where it is no UTF-8 or has too many fields.
    """
    body = await request.body()
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415)
    try:
        return parse_qsl(body.decode(errors=errors), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors=errors)
    except ValueError:
        raise HTTPException(400) from None


def visitor_of(request: Request, told: str = "", *, is_told_first: bool = False) -> str | None:
    """The visitor's id: of the cookie or as a page told it; None where there is none that could be ours."""
    given = (request.cookies.get(VISITOR_COOKIE, ""), told)
    return next((one for one in (given[::-1] if is_told_first else given) if _VISITOR.fullmatch(one)), None)


def is_untracked(request: Request) -> bool:
    """Whether the browser asks not to be followed (Global Privacy Control, Do Not Track)."""
    return request.headers.get("sec-gpc") == "1" or request.headers.get("dnt") == "1"
