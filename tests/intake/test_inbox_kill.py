"""The web face is killed under load, again and again: what it has answered for is there, once, also when a drain dies."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from intake.inbox import connect_inbox
from settings import Settings
from tasks import inbox
from tests.company import REPOSITORY, without_settings
from tests.intake.load import PUBLIC_KEY, Load, Noted
from tests.postgres import postgres_server, postgres_url
from tests.rule_sets import rule_set
from warehouse.connection import open_warehouse

__all__ = ["postgres_server", "postgres_url"]  # fixtures

ROUNDS = max(2, int(os.environ.get("NURTURE_KILL_ROUNDS", "20")) // 4)
SECRET = "secret of the tests"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_acknowledged_is_there_once_whenever_it_is_killed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {"home": tmp_path}
    if kind == "postgresql":
        values["inbox_url"] = request.getfixturevalue("postgres_url")
    settings = Settings(**values)
    chance = random.Random(kind)
    noted = Noted()
    begun = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(ROUNDS):
        load = _one_life(settings, number, chance)
        noted.urls |= load.urls
        noted.sends |= load.sends
    assert len(noted.sends) >= ROUNDS
    assert len(noted.urls) >= ROUNDS

    entries = "select count(*), count(distinct entry_key), max(entry_id) from inbox"
    engine = connect_inbox(settings.inbox)
    with engine.connect() as connection:
        rows, keys, _ = connection.execute(sa.text(entries)).one()
        assert rows == keys
    engine.dispose()
    _drain(settings, monkeypatch, chance)
    with open_warehouse(settings, read_only=True) as warehouse:
        for column, told in (("url", noted.urls), ("send_id", noted.sends)):
            warehouse.register("noted", pa.table({column: sorted(told)}))
            missing = f"select count(*) from noted anti join events using ({column})"
            assert warehouse.execute(missing).fetchall() == [(0,)], f"{column}: acknowledged and lost"
            warehouse.unregister("noted")
            twice = f"select {column} from events where {column} is not null group by {column} having count(*) > 1"
            assert warehouse.execute(twice).fetchall() == []
        assert warehouse.execute("select count(*) from quarantine").fetchall() == [(0,)]
        assert warehouse.execute("select min(received_at) >= ? from events", [begun]).fetchall() == [(True,)]
        assert warehouse.execute("select count(*) from events").fetchall() == [(rows,)]


def _one_life(settings: Settings, number: int, chance: random.Random) -> Noted:
    """Start the web face, load it, and kill it in the middle."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = without_settings(os.environ) | {
        "NURTURE_HOME": str(settings.home),
        "NURTURE_SECRET_KEY": SECRET,
        "NURTURE_SENDGRID_WEBHOOK_KEY": PUBLIC_KEY,
        **({"NURTURE_INBOX_URL": settings.inbox} if settings.inbox_url else {}),
    }
    log = settings.home / "intake.log"
    with log.open("wb") as file:
        web = subprocess.Popen(
            [sys.executable, "-m", "cli", "intake", "--port", str(port)],
            cwd=REPOSITORY, env=environment, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(port, web, log)
        load = Load(port, SECRET, f"{number}")
        load.start()
        deadline = time.monotonic() + 30
        while not (load.noted.sends and load.noted.urls):  # a machine under load takes its time
            assert time.monotonic() < deadline, "nothing was acknowledged"
            time.sleep(0.005)
        time.sleep(chance.uniform(0.05, 0.6))
        os.killpg(web.pid, signal.SIGKILL)
        web.wait(10)
        load.stop()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(web.pid, signal.SIGKILL)
        web.wait(10)
    assert "Traceback" not in log.read_text(errors="replace")
    return load.noted


def _wait(port: int, web: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert web.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the web face did not answer"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()


def _drain(settings: Settings, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Drain in many transactions, of which every third dies before its commit, until nothing is left."""
    monkeypatch.setattr(inbox, "PAGE_SIZE", 3000)
    move = inbox.move_watermark

    def may_die(*arguments: Any) -> None:
        move(*arguments)
        if chance.random() < 0.3:
            raise KeyboardInterrupt

    monkeypatch.setattr(inbox, "move_watermark", may_die)
    while True:
        with suppress(KeyboardInterrupt):
            if inbox.drain_inbox(settings, rule_set().fields, datetime.now(UTC)).rows_read == 0:
                return
