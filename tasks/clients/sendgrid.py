"""SendGrid's mail/send, and what each way it can end means for a mail that must leave exactly once.

The provider has no idempotency key. So every answer, and every failure, is sorted by one question: can the mail have
been taken? Only a clear no lets it be tried again.
"""

from __future__ import annotations

import io
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from python_http_client.client import Client
from python_http_client.exceptions import HTTPError, handle_error
from sendgrid import SendGridAPIClient

from tasks.clients.rate_limits import number, reset_seconds
from tasks.clients.transport import MaybeSentError, NotSentError, Reply, Transport

Verdict = Literal["accepted", "rejected", "split", "wait", "stop", "not_sent", "unknown"]

_PERSONALIZATION = re.compile(r"personalizations[.\[](\d+)")
# from end to end, but for the quotes and brackets around it; an address may hold quotes itself
_ADDRESS = re.compile(r"[^\s<(\[{\"']\S*[@＠]\S*[^\s>)\]}\"'.,;:]")


@dataclass(frozen=True)
class Answer:
    """How a request ended.

    ``verdict``: ``accepted``: all mails were taken. ``rejected``: none was, and ``rejected`` numbers the mails at
    fault. ``split``: none was, and nobody says which is at fault. ``wait``: none was, for too many requests. ``stop``:
    none was, and none will be until a person acts; ``is_about_sender``: none of this sender, ``is_about_template``:
    none of this template. ``not_sent``: the request never left. ``unknown``: it may have. ``requests_left`` of those
    allowed for now, if told; the limit is lifted in ``wait_seconds``.
    """

    verdict: Verdict
    http_status: int | None = None
    message: str | None = None
    message_id: str | None = None
    rejected: tuple[int, ...] = ()
    wait_seconds: float = 0
    requests_left: int | None = None
    is_about_sender: bool = False
    is_about_template: bool = False


class Body(bytes):
    """JSON as it goes over the wire, which the library neither dumps again nor prints."""

    def encode(self, *_: str) -> Body:
        """Itself: the library encodes what it takes for text."""
        return self

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    def __format__(self, _: str) -> str:
        return repr(self)


class PooledClient(Client):  # type: ignore[misc]
    """The library's client over our transport; safe to use from several threads at once.

    It keeps the key to itself, so that the library cannot print it.
    """

    def __init__(self, transport: Transport, authorization: str, **options: Any) -> None:
        super().__init__(**options)
        self._transport = transport
        self._authorization = authorization

    def _build_client(self, name: str | None = None) -> PooledClient:
        return PooledClient(
            self._transport,
            self._authorization,
            host=self.host,
            version=self._version,
            request_headers=dict(self.request_headers),  # the library would share one among all requests
            url_path=[*self._url_path, name] if name else self._url_path,
            append_slash=self.append_slash,
            timeout=self.timeout,
        )

    def _make_request(self, opener: Any, request: urllib.request.Request, timeout: float | None = None) -> Reply:
        headers = dict(request.header_items()) | {"Authorization": self._authorization}
        if request.data is not None:
            headers["Content-type"] = "application/json"
        data = request.data
        assert data is None or isinstance(data, bytes)
        reply = self._transport.request(request.get_method(), request.full_url, headers, data)
        if reply.status < 300:
            return reply
        body = io.BytesIO(reply.body)
        raise handle_error(urllib.error.HTTPError(request.full_url, reply.status, "", reply.headers, body)) from None


def make_client(host: str, api_key: str, timeout_seconds: float) -> PooledClient:
    """The library's client for one account, as ``client.mail.send.post(...)``.

    Its calls raise ``python_http_client.exceptions.HTTPError`` for every status but 2xx, and what the transport raises.
    """
    for name in ("python_http_client", "python_http_client.client"):  # prints headers and bodies at DEBUG
        logging.getLogger(name).setLevel(logging.WARNING)
    headers = dict(SendGridAPIClient(api_key=api_key, host=host).client.request_headers)
    authorization = headers.pop("Authorization")
    return PooledClient(Transport(host, timeout_seconds), authorization, host=host, request_headers=headers, version=3)


class SendGrid:
    """A client of one account."""

    def __init__(self, host: str, api_key: str, timeout_seconds: float) -> None:
        self.client = make_client(host, api_key, timeout_seconds)

    def send(self, payload: Mapping[str, Any] | bytes) -> Answer:
        """Post one mail/send request, given as a mapping or as its JSON.

        Never raises for what the network or the provider does.
        """
        body = Body(payload if isinstance(payload, bytes) else orjson.dumps(payload))
        try:
            # under this type the library takes the body as it is; what leaves says application/json
            as_it_is = {"Content-Type": "application/json; charset=utf-8"}
            response = self.client.mail.send.post(request_body=body, request_headers=as_it_is)
        except HTTPError as error:
            return _refusal(int(error.status_code), error.body, error.headers)
        except NotSentError as error:
            return Answer("not_sent", message=f"SendGrid could not be reached: {error}")
        except MaybeSentError as error:
            return Answer("unknown", message=f"the connection failed after the request had begun to leave: {error}")
        except Exception as error:  # noqa: BLE001 - whatever failed after the request began, the mail may have left
            return Answer("unknown", message=f"no answer: {type(error).__name__}")
        left = number(response.headers.get("X-RateLimit-Remaining"))
        return Answer(
            "accepted" if response.status_code == 202 else "unknown",
            response.status_code,
            None if response.status_code == 202 else f"an answer without meaning: {response.status_code}",
            message_id=response.headers.get("X-Message-Id"),
            wait_seconds=reset_seconds(response.headers) if left is not None and left <= 0 else 0,
            requests_left=None if left is None else max(int(left), 0),
        )


def _refusal(status: int, body: bytes, headers: Any) -> Answer:
    errors = _errors(body)
    message = _message(errors)
    fields = [str(error.get("field") or "") for error in errors]
    names_sender = any(re.split(r"[.\[]", field)[0] == "from" for field in fields)
    if status == 400:
        if fields and all(field and not field.startswith("personalizations") for field in fields):
            # what all mails of the request share; none of them is at fault
            return Answer("stop", status, message, is_about_sender=names_sender, is_about_template=not names_sender)
        rejected = _rejected(errors)
        return Answer("rejected" if rejected else "split", status, message, rejected=rejected)
    if status == 413:
        return Answer("split", status, "the request was too large")
    if status == 429:
        return Answer("wait", status, message, wait_seconds=reset_seconds(headers), requests_left=0)
    if status < 400:
        return Answer("stop", status, "a redirect, which is not followed")
    if status < 500:
        return Answer("stop", status, message, is_about_sender=status == 403 and names_sender)
    return Answer("unknown", status, message)


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = orjson.loads(body)["errors"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _message(errors: list[dict[str, Any]]) -> str:
    messages = [f"{error.get('message', '')} ({error.get('field') or 'no field'})" for error in errors]
    return _ADDRESS.sub("<address>", "; ".join(messages))[:500] or "no reason given"


def _rejected(errors: list[dict[str, Any]]) -> tuple[int, ...]:
    found = (_PERSONALIZATION.search(str(error.get("field"))) for error in errors)
    return tuple(sorted({int(match.group(1)) for match in found if match}))
