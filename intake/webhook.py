"""SendGrid's event webhook: the signature over the raw body first, and an answer of success only after the commit.

An event that came before adds nothing, so a post that is sent again, by SendGrid or by somebody who recorded it, does
no harm. No reader's IP address is kept.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import timedelta

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from intake.context import Context
from intake.inbox import Entry

MOST_EVENTS = 20_000
OLDEST = timedelta(hours=26)
"""SendGrid tries again for 24 hours."""
_AHEAD = timedelta(minutes=10)
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


class Webhook:
    """Answers ``POST /webhooks/sendgrid``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        key = context.settings.sendgrid_webhook_key
        self._key = load_der_public_key(b64decode(key)) if key else None

    async def take(self, request: Request) -> Response:
        """Commit the events of one post."""
        if self._key is None:
            return PlainTextResponse("NURTURE_SENDGRID_WEBHOOK_KEY is not set, so no event can be believed\n", 403)
        raw = await request.body()
        timestamp = request.headers.get(_TIMESTAMP, "")
        if not self._is_signed(request.headers.get(_SIGNATURE, ""), timestamp, raw):
            return PlainTextResponse("the signature is not SendGrid's\n", 403)
        age = self._context.clock().timestamp() - int(timestamp)
        if not -_AHEAD.total_seconds() <= age <= OLDEST.total_seconds():
            return PlainTextResponse("the post is too old, or the clocks differ\n", 403)
        try:
            events = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return PlainTextResponse("the body is not JSON\n", 400)
        if not isinstance(events, list) or len(events) > MOST_EVENTS:
            return PlainTextResponse(f"an array of at most {MOST_EVENTS:,} events is expected\n", 400)
        await self._context.inbox.append([_entry(event) for event in events])
        return PlainTextResponse(f"{len(events)} taken\n")

    def _is_signed(self, signature: str, timestamp: str, raw: bytes) -> bool:
        assert isinstance(self._key, EllipticCurvePublicKey)  # as settings have checked
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            return False
        try:
            self._key.verify(b64decode(signature, validate=True), timestamp.encode() + raw, ECDSA(SHA256()))
        except (InvalidSignature, Base64Error, ValueError):
            return False
        return True


def _entry(event: object) -> Entry:
    if isinstance(event, dict):
        event = {key: value for key, value in event.items() if key != "ip"}
    body = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    told = event.get("sg_event_id") if isinstance(event, dict) else None
    named = f"sendgrid {told}".encode() if isinstance(told, str) and told else b"sendgrid event " + body
    key = urlsafe_b64encode(hashlib.sha256(named).digest()[:16]).decode()
    return Entry(key, "sendgrid", body.decode())
