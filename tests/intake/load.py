"""Somebody in front of the web face: webhook posts, page views and opt-outs as fast as they are answered, each noted."""

from __future__ import annotations

import base64
import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER
from tasks.mail_links import signed_links

KEY = ec.derive_private_key(12345, ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SITE = "https://www.example.com"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": AGENT}


@dataclass
class Noted:
    """What was answered with success: the addresses of clicks and of page views, and the sends of opt-outs."""

    urls: set[str] = field(default_factory=set)
    sends: set[str] = field(default_factory=set)


def signed_post(events: list[dict[str, object]]) -> tuple[bytes, dict[str, str]]:
    body, stamp = orjson.dumps(events), str(int(time.time()))
    signature = KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return body, {
        SIGNATURE_HEADER: base64.b64encode(signature).decode(),
        TIMESTAMP_HEADER: stamp,
        "Content-Type": "application/json",
    }


class Load:
    """Threads that post for as long as somebody answers.

    Args:
        port: Of the web face, on the loopback.
        secret: Its secret key.
        first: What the numbers of this load begin with, so that no two loads tell the same.
        batch: Events in one webhook post.
    """

    def __init__(self, port: int, secret: str, first: str, batch: int = 50) -> None:
        self.noted = Noted()
        self._port = port
        self._links = signed_links("", secret)
        self._first = first
        self._batch = batch
        self._stop = threading.Event()
        self._numbers = itertools.count()
        kinds = (self._webhook, self._webhook, self._beacon, self._beacon, self._opt_out)
        self._threads = [threading.Thread(target=self._run, args=(kind,), daemon=True) for kind in kinds]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the threads end, as they do at once when nobody answers any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, requests: object) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            for path, body, headers, urls, sends in requests():  # type: ignore[operator]
                if self._stop.is_set():
                    return
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status in {200, 204}:
                    self.noted.urls.update(urls)
                    self.noted.sends.update(sends)
                else:
                    assert answer.status == 429, answer.status  # a page view too many
        except (OSError, http.client.HTTPException):
            return  # killed
        finally:
            connection.close()

    def _number(self) -> str:
        return f"{self._first}-{next(self._numbers)}"

    def _webhook(self) -> Iterator[tuple[str, bytes, dict[str, str], list[str], list[str]]]:
        while True:
            numbers = [self._number() for _ in range(self._batch)]
            urls = [f"{SITE}/clicked/{number}" for number in numbers]
            events: list[dict[str, object]] = [
                {"event": "click", "sg_event_id": number, "email": "a@example.com", "url": url, "timestamp": int(time.time())}
                for number, url in zip(numbers, urls, strict=True)
            ]  # fmt: skip
            body, headers = signed_post(events)
            yield "/webhooks/sendgrid", body, headers, urls, []

    def _beacon(self) -> Iterator[tuple[str, bytes, dict[str, str], list[str], list[str]]]:
        while True:
            url = f"{SITE}/seen/{self._number()}"
            yield "/t", urlencode({"v": "v" * 32, "u": url}).encode(), _FORM, [url], []

    def _opt_out(self) -> Iterator[tuple[str, bytes, dict[str, str], list[str], list[str]]]:
        while True:
            send_id = f"S{self._number()}"
            yield f"/u/{self._links.opt_out(send_id)}", b"", _FORM, [], [send_id]
