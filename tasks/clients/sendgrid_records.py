"""What SendGrid knows and may not have told: who gets no more mail, and what became of a mail.

No address stands in a URL. Suppressions are read as whole lists, page by page. For messages SendGrid has a search by
POST, whose conditions stand in the body, so it is asked for an address there; its results lack custom arguments, which
alone tell a send, so each message found is then looked up by its own id. There is no search for custom arguments.

These are questions, which may be asked again; so what fails in passing is tried anew, and waits that SendGrid asks for
are kept. What fails for good is an error, never an empty list: silence must not pass for "nobody has opted out".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from python_http_client.exceptions import HTTPError

from tasks.clients.rate_limits import reset_seconds
from tasks.clients.sendgrid import make_client
from tasks.clients.transport import MaybeSentError, NotSentError
from tasks.errors import RunError

PAGE_SIZE = 500
"""SendGrid's limit for a page of suppressions."""
MAX_MESSAGES = 1_000
"""SendGrid's limit for a search of messages, which has no pages."""
MAX_WAITS = 5
MAX_TRIES = 3

_QUOTABLE = re.compile(r'[^"\\\x00-\x20]+')
_PERMISSIONS = {
    "suppression": "read access to suppressions (suppression.read)",
    "asm": "read access to unsubscribe groups (asm.groups.read)",
    "logs": "read access to the email activity (email_activity.read)",
}


class RecordsError(RunError):
    """SendGrid does not answer a question. ``is_refused``: it will not until a person acts."""

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


@dataclass(frozen=True)
class Suppressed:
    """One address on one of SendGrid's lists, since when (epoch seconds), and the unsubscribe group if it left one."""

    email: str
    created: int | None
    group: int | None = None


@dataclass(frozen=True)
class Message:
    """One message that a search found."""

    sg_message_id: str
    created_at: datetime


class SendGridRecords:
    """Asks one account.

    Attributes:
        give_up_at: The monotonic time from which no answer is waited for or asked for anew; None: there is none.
    """

    give_up_at: float | None = None

    def __init__(self, host: str, api_key: str, timeout_seconds: float) -> None:
        self._client = make_client(host, api_key, timeout_seconds)

    def suppressions(self, name: str, since: datetime | None) -> list[Suppressed]:
        """Everyone on the list ``bounces``, ``spam_reports``, ``invalid_emails`` or ``unsubscribes``.

        Args:
            name: The list.
            since: Only who was put on it then or later.

        Raises:
            RecordsError: The list cannot be read to its end.
        """
        found: list[Suppressed] = []
        before: list[Any] = []
        while True:
            parameters: dict[str, int] = {"limit": PAGE_SIZE, "offset": len(found)}
            if since is not None:
                parameters["start_time"] = int(since.timestamp())
            page = self._list("suppression", name, parameters)
            if page and page == before:
                raise RecordsError(f"SendGrid answers every page of its {name} alike; nobody is mailed until it pages")
            found += [_suppressed(item, name, "created") for item in page]
            if len(page) < PAGE_SIZE:
                return found
            before = page

    def group_unsubscribes(self) -> list[Suppressed]:
        """Everyone who left an unsubscribe group; SendGrid gives this list whole only.

        Raises:
            RecordsError: The list cannot be read.
        """
        return [_suppressed(item, "group unsubscribes", "created_at") for item in self._list("asm", "suppressions", {})]

    def messages_to(self, address: str, since: datetime) -> list[Message] | None:
        """The messages taken for an address since an instant; None where there may be more than can be listed.

        Raises:
            RecordsError: The logs cannot be read.
        """
        if not _QUOTABLE.fullmatch(address):
            return None
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "query": f'to_email = "{address}" AND sg_message_id_created_at >= TIMESTAMP "{stamp}"',
            "limit": MAX_MESSAGES,
        }
        answer = self._ask("logs", "logs", lambda: self._client.logs.post(request_body=body))
        try:
            found = [
                Message(str(item["sg_message_id"]), datetime.fromisoformat(item["sg_message_id_created_at"]))
                for item in answer["messages"]
            ]
        except (TypeError, KeyError, ValueError):
            raise RecordsError("SendGrid's logs answered something else than messages") from None
        return None if len(found) >= MAX_MESSAGES else found

    def message(self, sg_message_id: str) -> dict[str, Any] | None:
        """All that is known of a message, as SendGrid puts it; None where nothing is.

        Raises:
            RecordsError: The logs cannot be read.
        """
        part = quote(sg_message_id, safe="")
        answer = self._ask("logs", "logs", lambda: self._client.logs._(part).get(), or_nothing=True)
        if answer is not None and not isinstance(answer, dict):
            raise RecordsError("SendGrid's logs answered something else than a message")
        return answer

    def _list(self, part: str, name: str, parameters: dict[str, int]) -> list[Any]:
        endpoint = self._client._(part)._(name)
        answer = self._ask(part, f"{part}/{name}", lambda: endpoint.get(query_params=parameters))
        if not isinstance(answer, list):
            raise RecordsError(f"SendGrid's {part}/{name} answered something else than a list")
        return answer

    def _ask(self, part: str, what: str, call: Callable[[], Any], *, or_nothing: bool = False) -> Any:
        waits = tries = 0
        while True:
            try:
                return orjson.loads(call().body)
            except HTTPError as error:
                status = int(error.status_code)
                if status == 404 and or_nothing:
                    return None
                if status == 429 and waits < MAX_WAITS and self._is_time_for(wait := reset_seconds(error.headers)):
                    waits += 1
                    time.sleep(wait)
                    continue
                failure = f"SendGrid answered {status} when its {what} were read"
                if status in {401, 403}:
                    hint = f"the API key is refused or lacks a permission; give it {_PERMISSIONS[part]}"
                    raise RecordsError(f"{failure}: {hint}", is_refused=True) from None
                if status == 429:
                    raise RecordsError(f"{failure}: the rate limit does not lift; run again later") from None
                if status < 400:
                    raise RecordsError(
                        f"{failure}: a redirect, which is not followed; check NURTURE_SENDGRID_HOST"
                    ) from None
                if status < 500:
                    raise RecordsError(
                        f"{failure}: it does not understand what it is asked; please report it"
                    ) from None
            except (NotSentError, MaybeSentError) as error:
                failure = f"SendGrid could not be reached when its {what} were read: {error}"
            except orjson.JSONDecodeError:
                failure = f"SendGrid's {what} did not answer in JSON"
            except Exception as error:  # noqa: BLE001 - its message may hold the request
                raise RecordsError(f"SendGrid's {what} could not be read: {type(error).__name__}") from None
            tries += 1
            wait = 0.2 * 2**tries
            if tries >= MAX_TRIES or not self._is_time_for(wait):
                raise RecordsError(f"{failure}. Check NURTURE_SENDGRID_HOST and the network, and run again")
            time.sleep(wait)

    def _is_time_for(self, seconds: float) -> bool:
        return self.give_up_at is None or time.monotonic() + seconds < self.give_up_at


def _suppressed(item: Any, name: str, stamp: str) -> Suppressed:
    if not isinstance(item, dict) or not isinstance(item.get("email"), str):
        raise RecordsError(f"SendGrid's list of {name} holds an entry without an address; it cannot be relied on")
    created = item.get(stamp)
    group = item.get("group_id")
    return Suppressed(
        item["email"],
        int(created) if isinstance(created, (int, float)) else None,
        group if isinstance(group, int) else None,
    )
