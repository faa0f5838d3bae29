"""A stand-in on a free port of the loopback, stopped at a fixed instant, for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.sendgrid import Clock, StandIn

_NOW = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)


def _mail_body(*addresses: str, **changes: Any) -> dict[str, Any]:
    """A request that is accepted, one personalization an address; changes replace its top-level parts."""
    people = addresses or ("sato@hayama.example",)
    envelopes = [
        {
            "to": [{"email": address}],
            "custom_args": {"nurture_send_id": f"send-{place}"},
            "substitutions": {"-name-": f"Reader {place}"},
        }
        for place, address in enumerate(people)
    ]
    body = {
        "personalizations": envelopes,
        "from": {"email": "info@example.com", "name": "Example"},
        "subject": "Hello -name-",
        "content": [
            {"type": "text/plain", "value": "Dear -name-, see https://www.example.com/price"},
            {"type": "text/html", "value": '<p>Dear -name-</p><a href="https://www.example.com/price">price</a>'},
        ],
        "categories": ["newsletter"],
    }
    return {**body, **changes}


class Sender:
    """Posts to a stand-in as a client of SendGrid would."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._client = httpx.Client(base_url=stand_in.url, headers={"Authorization": "Bearer SG.test"}, timeout=10)

    def send(self, body: Any, **options: Any) -> httpx.Response:
        return self._client.post("/v3/mail/send", json=body, **options)

    def post(self, **options: Any) -> httpx.Response:
        return self._client.post("/v3/mail/send", **options)

    def post_logs(self, value: Any) -> httpx.Response:
        return self._client.post("/v3/logs", json=value)

    def request(self, method: str, path: str) -> httpx.Response:
        return self._client.request(method, path)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._client.get(path, **options)

    def put(self, path: str, value: Any) -> httpx.Response:
        return self._client.put(path, json=value)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def now() -> datetime:
    """The instant at which the stand-in's clock stands."""
    return _NOW


@pytest.fixture
def mail_body() -> Callable[..., dict[str, Any]]:
    """Builds a request that is accepted."""
    return _mail_body


@pytest.fixture
def connect() -> type[Sender]:
    """Connects to a stand-in that the test runs itself."""
    return Sender


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, clock=Clock(_NOW)) as running:
        yield running


@pytest.fixture
def sender(stand_in: StandIn) -> Iterator[Sender]:
    client = Sender(stand_in)
    yield client
    client.close()
