"""SendGrid's logs of messages: a search whose conditions stand in the body, and all that is known of one message.

They know the mails of this process, for 30 days, and as late as `lag` says: the real ones lag behind, too.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.checks import Problem
from sandbox.clock import Clock, iso
from sandbox.events import Event
from sandbox.gate import refuse
from sandbox.mailbox import Mail, Mailbox

MAX_MESSAGES = 1_000
DEFAULT_MESSAGES = 10
MAX_EVENTS = 100
RETENTION = timedelta(days=30)

_TEXT = r"""("[^"]*"|'[^']*')"""
_CONDITION = re.compile(
    rf"""\s*(?:
        (?P<field>sg_message_id|subject|to_email|reason)\s*=\s*(?P<text>{_TEXT})
        |(?P<listed>status|categories)\s+IN\s*\((?P<texts>\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*)\)
        |sg_message_id_created_at\s*(?P<sign>>=|<=|>|<)\s*TIMESTAMP\s*(?P<stamp>{_TEXT})
    )\s*(?P<more>AND\b|\Z)""",
    re.VERBOSE,
)
_SIGNS: dict[str, Callable[[datetime, datetime], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_STATUS = {"processed": "processed", "deferred": "deferred", "dropped": "dropped"}
_ENGAGED = {"delivered", "open", "click"}

Test = Callable[[Mail], bool]


class Logs:
    """Answers questions for messages."""

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self.lag = timedelta()

    async def search(self, request: Request) -> Response:
        """POST /v3/logs: the newest messages that meet every condition of the query, without pages."""
        try:
            body = orjson.loads(await request.body())
            query, limit = body.get("query", ""), body.get("limit", DEFAULT_MESSAGES)
            tests = self._tests(query) if query else []
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            return refuse(400, Problem("The body must be a JSON object with query and limit."))
        except ValueError as error:
            return refuse(400, Problem(str(error), "query"))
        if not isinstance(limit, int) or not 1 <= limit <= MAX_MESSAGES:
            return refuse(400, Problem(f"limit must be between 1 and {MAX_MESSAGES}.", "limit"))
        found = []
        for mail in self._known():
            if all(test(mail) for test in tests):
                found.append(self._summary(mail))
            if len(found) == limit:
                break
        return Response(orjson.dumps({"messages": found}), media_type="application/json")

    async def show(self, request: Request) -> Response:
        """GET /v3/logs/{sg_message_id}: one message with its custom arguments and its last events."""
        wanted = request.path_params["sg_message_id"]
        mail = next((mail for mail in self._known() if mail.sg_message_id == wanted), None)
        if mail is None:
            return refuse(404, Problem("Message not found."))
        events = self._mailbox.told.events_of(mail.sg_message_id, self._clock.now())[-MAX_EVENTS:]
        summary = self._summary(mail)
        del summary["sg_message_id_created_at"]
        answer = {
            **summary,
            "api_key_id": "sandbox",
            "client_ip": "192.0.2.1",
            "category": list(mail.categories),
            "custom_args": dict(mail.custom_args),
            "events": [_apart(event, mail) for event in events],
        }
        return Response(orjson.dumps(answer), media_type="application/json")

    def _known(self) -> list[Mail]:
        """The mails that the logs have by now and still have, the newest first."""
        now = self._clock.now()
        return [mail for mail in reversed(self._mailbox.mails) if now - RETENTION <= mail.accepted_at <= now - self.lag]

    def _summary(self, mail: Mail) -> dict[str, Any]:
        events = self._mailbox.told.events_of(mail.sg_message_id, self._clock.now())
        return {
            "from_email": mail.from_email,
            "sg_message_id": mail.sg_message_id,
            "subject": mail.subject,
            "to_email": mail.to,
            "reason": next((str(event["reason"]) for event in reversed(events) if event.get("reason")), ""),
            "status": _status(events),
            "sg_message_id_created_at": iso(mail.accepted_at),
        }

    def _tests(self, query: str) -> list[Test]:
        """Reads a query.

        Raises:
            ValueError: It is none.
        """
        tests: list[Test] = []
        at = 0
        while True:
            found = _CONDITION.match(query, at)
            if found is None:
                raise ValueError(f"invalid query at character {at}")
            tests.append(self._test(found))
            at = found.end()
            if not found["more"]:
                return tests

    def _test(self, found: re.Match[str]) -> Test:
        if found["field"] == "to_email":
            return lambda mail: mail.to == found["text"][1:-1]
        if found["field"]:
            return lambda mail: self._summary(mail)[found["field"]] == found["text"][1:-1]
        if found["listed"]:
            texts = {text[1:-1] for text in re.findall(_TEXT, found["texts"])}
            if found["listed"] == "status":
                return lambda mail: self._summary(mail)["status"] in texts
            return lambda mail: bool(texts.intersection(mail.categories))
        sign, stamp = _SIGNS[found["sign"]], datetime.fromisoformat(found["stamp"][1:-1])
        if stamp.tzinfo is None:
            raise ValueError("a timestamp needs an offset or Z")
        return lambda mail: sign(mail.accepted_at, stamp)


def _status(events: list[Event]) -> str:
    kinds = {event["event"] for event in events}
    bounce = next((event for event in events if event["event"] == "bounce"), None)
    if bounce is not None:
        return "blocked" if bounce.get("type") == "blocked" else "bounced"
    if kinds & _ENGAGED:
        return "delivered"
    return next((_STATUS[kind] for kind in ("dropped", "deferred") if kind in kinds), "processed")


def _apart(event: Event, mail: Mail) -> Event:
    """An event as the logs have it: the custom arguments stand apart."""
    own = {name: value for name, value in event.items() if name not in mail.custom_args}
    return {**own, "custom_args": dict(mail.custom_args)}
