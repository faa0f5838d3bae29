"""SendGrid's mail/send, and what each way it can end means for a mail that must leave exactly once.

The provider has no idempotency key. So every answer, and every failure, is sorted by one question: can the mail have
been taken? Only a clear no lets it be tried again.
"""

from __future__ import annotations

import errno
import logging
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Literal
from urllib.error import URLError

import orjson
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

Verdict = Literal["accepted", "rejected", "split", "wait", "stop", "not_sent", "unknown"]

_PERSONALIZATION = re.compile(r"personalizations[.\[](\d+)")
_ADDRESS = re.compile(r"[^\s<>\"']+@[^\s<>\"']+")
_NEVER_CONNECTED = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL}


@dataclass(frozen=True)
class Answer:
    """How a request ended.

    ``verdict``: ``accepted``: all mails were taken. ``rejected``: none was, and ``rejected`` numbers the mails at
    fault. ``split``: none was, and nobody says which is at fault. ``wait``: none was, for too many requests. ``stop``:
    none was, and none will be until a person acts. ``not_sent``: the request never left. ``unknown``: it may have.
    """

    verdict: Verdict
    http_status: int | None = None
    message: str | None = None
    message_id: str | None = None
    rejected: tuple[int, ...] = ()
    wait_seconds: float = 0


class SendGrid:
    """A client of one account."""

    def __init__(self, host: str, api_key: str, timeout_seconds: float) -> None:
        # At DEBUG this logger prints the Authorization header and every body.
        logging.getLogger("python_http_client").setLevel(logging.WARNING)
        self._client = SendGridAPIClient(api_key=api_key, host=host).client
        self._client.timeout = timeout_seconds

    def send(self, payload: dict[str, Any]) -> Answer:
        """Post one mail/send request. Never raises for what the network or the provider does."""
        try:
            response = self._client.mail.send.post(request_body=payload)
        except HTTPError as error:
            return _refusal(int(error.status_code), error.body, error.headers)
        except URLError as error:
            if _never_connected(error.reason):
                return Answer("not_sent", message=f"SendGrid could not be reached: {error.reason}")
            return Answer("unknown", message=f"the connection failed while sending: {error.reason}")
        except Exception as error:  # noqa: BLE001 - whatever failed after the request began, the mail may have left
            return Answer("unknown", message=f"no answer: {type(error).__name__}")
        if response.status_code == 202:
            return Answer("accepted", 202, message_id=response.headers.get("X-Message-Id"))
        return Answer("unknown", response.status_code, message=f"an answer without meaning: {response.status_code}")


def _never_connected(reason: object) -> bool:
    return isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError) or (
        isinstance(reason, OSError) and reason.errno in _NEVER_CONNECTED
    )


def _refusal(status: int, body: bytes, headers: Any) -> Answer:
    message = _without_addresses(_message(body))
    if status == 400:
        rejected = _rejected(body)
        return Answer("rejected" if rejected else "split", status, message, rejected=rejected)
    if status == 413:
        return Answer("split", status, "the request was too large")
    if status == 429:
        return Answer("wait", status, message, wait_seconds=_reset_seconds(headers))
    if status < 500:
        return Answer("stop", status, message)
    return Answer("unknown", status, message)


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = orjson.loads(body)["errors"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []
    return [error for error in errors if isinstance(error, dict)]


def _message(body: bytes) -> str:
    messages = [f"{error.get('message', '')} ({error.get('field') or 'no field'})" for error in _errors(body)]
    return "; ".join(messages)[:500] or "no reason given"


def _rejected(body: bytes) -> tuple[int, ...]:
    found = (_PERSONALIZATION.search(str(error.get("field"))) for error in _errors(body))
    return tuple(sorted({int(match.group(1)) for match in found if match}))


def _reset_seconds(headers: Any) -> float:
    """Seconds until the rate limit is lifted; the header holds an epoch second, sometimes a number of seconds."""
    import time

    try:
        reset = float(headers.get("X-RateLimit-Reset"))
    except (TypeError, ValueError):
        return 5.0
    seconds = reset - time.time() if reset > 1_000_000_000 else reset
    return min(max(seconds, 0.1), 60.0)


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("<address>", text)
