"""SendGrid's signed event webhook: posts what was told, as unreliably as the real one.

Events come in arrays, twice, late, in any order, and those of bounces and spam reports at times without what tells the
mail. All of it hangs on the seed, so a test that failed fails again. The signature is over the timestamp and the raw
body: whoever reads the JSON and writes it anew to check has another body, since SendGrid's has line breaks of its own.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.chance import generator
from sandbox.clock import Clock
from sandbox.events import Event

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
TRIES = 3
_TIMEOUT_SECONDS = 10
_OFTEN_BARE = {"bounce", "spamreport"}
_OWN_FIELDS = {
    "email", "timestamp", "event", "sg_event_id", "smtp-id", "category", "reason", "status", "type", "response", "ip",
    "tls", "url", "useragent", "sg_machine_open", "asm_group_id", "attempt",
}  # fmt: skip
"""Fields of SendGrid's own that stay in a bare event: all but the message's id; custom arguments go with it."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How unreliable the webhook is; shares are between 0 and 1.

    Attributes:
        duplicates: Of the events, the share that is posted once more, some time later.
        late: The share that is held back until `flush`.
        bare: Of bounces and spam reports, the share without message id and custom arguments.
        is_shuffled: Whether the order of the events is lost.
        batch: The most events in one array.
    """

    duplicates: float = 0.0
    late: float = 0.0
    bare: float = 0.0
    is_shuffled: bool = False
    batch: int = 100

    @classmethod
    def from_json(cls, value: object) -> Habits:
        """Reads habits from decoded JSON.

        Raises:
            ValueError: A key or a value that no habits have.
        """
        kinds: dict[str, type | tuple[type, ...]] = {"float": (int, float), "bool": bool, "int": int}
        allowed = {field.name: kinds[str(field.type)] for field in fields(cls)}
        if not isinstance(value, dict) or not value.keys() <= allowed.keys():
            raise ValueError(f"habits are an object with the keys {', '.join(allowed)}")
        for key, item in value.items():
            if not isinstance(item, allowed[key]):
                raise ValueError(f"{key} has a value of another type")
        return cls(**value)


class EventWebhook:
    """Posts events to one URL.

    Args:
        url: An http or https URL.
        habits: How unreliable it is.
        seed: What chance hangs on, the key included.
        clock: The clock whose time is signed.
    """

    def __init__(self, url: str, habits: Habits | None = None, seed: int = 1, clock: Clock | None = None) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("the webhook's URL must begin with http:// or https://")
        self._url = url
        self._habits = habits or Habits()
        self._seed = seed
        self._clock = clock or Clock()
        secret = int.from_bytes(hashlib.sha256(f"webhook:{seed}".encode()).digest()[:31]) + 1
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        self._held: list[Event] = []
        self._known: set[str] = set()

    @property
    def public_key(self) -> str:
        """The key to verify with, as SendGrid's settings show it: base64 of DER."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def post(self, events: Iterable[Event]) -> list[int]:
        """Posts what is new among events; some of it may be held back.

        Returns:
            The status that ended each post, 0 where nobody answered. Each is tried up to three times.
        """
        now: list[Event] = []
        again: list[Event] = []
        for event in events:
            if event["sg_event_id"] in self._known:
                continue
            self._known.add(event["sg_event_id"])
            chance = generator(self._seed, "webhook", event["sg_event_id"])
            told = _bare(event) if event["event"] in _OFTEN_BARE and chance.random() < self._habits.bare else event
            (self._held if chance.random() < self._habits.late else now).append(told)
            if chance.random() < self._habits.duplicates:
                (self._held if chance.random() < self._habits.late else again).append(told)
        return self._post_all([*now, *again])

    def flush(self) -> list[int]:
        """Posts what was held back. Returns as `post`."""
        held, self._held = self._held, []
        return self._post_all(held)

    def _post_all(self, events: list[Event]) -> list[int]:
        if self._habits.is_shuffled:
            generator(self._seed, "order", *(event["sg_event_id"] for event in events)).shuffle(events)
        return [self._post_one(batch) for batch in _batches(events, self._habits.batch)]

    def _post_one(self, batch: list[Event]) -> int:
        body = b"[" + b",\r\n".join(orjson.dumps(event) for event in batch) + b"]\r\n"
        status = 0
        for _ in range(TRIES):
            stamp = str(int(self._clock.now().timestamp()))
            signature = self._key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
            headers = {
                "Content-Type": "application/json",
                SIGNATURE_HEADER: base64.b64encode(signature).decode(),
                TIMESTAMP_HEADER: stamp,
            }
            request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310  checked above
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
                error.close()
            except (OSError, http.client.HTTPException):
                status = 0
            if 200 <= status < 300:
                break
        return status


def _bare(event: Event) -> Event:
    return {name: value for name, value in event.items() if name in _OWN_FIELDS}


def _batches(events: list[Event], size: int) -> Iterator[list[Event]]:
    return (events[start : start + size] for start in range(0, len(events), size))
