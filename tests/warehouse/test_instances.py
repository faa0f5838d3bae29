"""An instance is kept between the uses of a file, and nothing of one use reaches another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from settings import Settings
from tests.company import REPOSITORY
from warehouse.connection import connect, open_ledger, open_warehouse
from warehouse.errors import FileLockedError

HASH = "select address_hash('someone@example.com')"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, lock_timeout_seconds=0.2)


def test_a_use_leaves_nothing_to_the_next(settings: Settings) -> None:
    with open_warehouse(settings) as connection:
        connection.execute("create temp table left_over as select 1 as one")
        connection.execute("set variable left_over = 1")
        connection.execute("set TimeZone = 'Asia/Tokyo'")
        connection.execute("create temp macro mine() as 1")
    with open_warehouse(settings) as connection:
        found = connection.execute("select getvariable('left_over'), current_setting('TimeZone')").fetchone()
        assert found == (None, "UTC")
        for query in ("from left_over", "select mine()"):
            with pytest.raises(duckdb.Error):
                connection.execute(query)


def test_between_two_uses_another_process_has_the_file(settings: Settings) -> None:
    with open_ledger(settings):
        pass
    write = f"import duckdb; duckdb.connect({str(settings.ledger)!r}).execute('create table theirs as select 7 as n')"
    subprocess.run([sys.executable, "-c", write], check=True, cwd=REPOSITORY)
    with open_ledger(settings) as ledger:
        assert ledger.execute("from theirs").fetchall() == [(7,)]


def test_what_fails_is_rolled_back_and_the_next_use_is_sound(settings: Settings) -> None:
    with pytest.raises(RuntimeError), open_ledger(settings) as ledger:
        ledger.execute("create table half as select 1 as one")
        raise RuntimeError
    with open_ledger(settings) as ledger:
        assert ledger.execute("select count(*) from duckdb_tables() where table_name = 'half'").fetchone() == (0,)


def test_a_brief_use_stands_in_the_log_until_one_that_is_not(settings: Settings) -> None:
    with open_ledger(settings) as ledger:
        ledger.execute("create table kept (n integer)")
    log = settings.ledger.with_name("ledger.duckdb.wal")
    with open_ledger(settings, is_brief=True) as ledger:
        ledger.execute("insert into kept values (1)")
    assert log.exists()
    with open_ledger(settings) as ledger:
        assert ledger.execute("from kept").fetchall() == [(1,)]
    assert not log.exists()


def test_addresses_are_hashed_with_the_key_of_the_settings_at_hand(settings: Settings) -> None:
    def hashed(key: str) -> str:
        with open_ledger(settings.model_copy(update={"secret_key": SecretStr(key)})) as ledger:
            return str(ledger.execute(HASH).fetchall())

    first, second = hashed("a" * 40), hashed("b" * 40)
    assert first != second
    assert hashed("a" * 40) == first


def test_a_forked_child_makes_its_own(settings: Settings) -> None:
    with open_ledger(settings) as ledger:
        ledger.execute("create table told (n integer)")
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            with open_ledger(settings) as ledger:
                ledger.execute("insert into told select count(*) from range(300000)")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with open_ledger(settings) as ledger:
        assert ledger.execute("from told").fetchall() == [(300_000,)]


def test_threads_take_turns_and_who_waits_too_long_is_told(settings: Settings) -> None:
    with open_ledger(settings) as ledger:
        ledger.execute("create table turns (n integer)")
    patient = settings.model_copy(update={"lock_timeout_seconds": 30.0})

    def add(number: int) -> None:
        with open_ledger(patient) as ledger:
            ledger.execute("insert into turns values (?)", [number])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_ledger(settings) as ledger:
        assert ledger.execute("select n from turns order by n").fetchall() == [(number,) for number in range(8)]
        with pytest.raises(FileLockedError, match="another thread"), open_ledger(settings):
            pass


def test_what_did_not_fit_in_memory_is_gone_after_the_use(settings: Settings) -> None:
    small = settings.model_copy(update={"memory_limit": "40MB"})
    spill = settings.warehouse.with_name("warehouse.duckdb.tmp")
    with open_warehouse(small) as connection:
        connection.execute("create temp table big as select md5(i::varchar) as text from range(2_000_000) as rows(i)")
        assert any(spill.iterdir())
    assert not spill.exists()
    with open_warehouse(small) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["published.duckdb", ":memory:"])
def test_a_connection_of_its_own_spills_into_the_home_and_not_where_it_was_started(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = settings.home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    small = settings.model_copy(update={"memory_limit": "40MB"})
    with connect(Path(name) if name == ":memory:" else settings.home / name, small) as connection:
        connection.execute("create temp table big as select md5(i::varchar) as text from range(2_000_000) as rows(i)")
        assert any(path.is_dir() and any(path.iterdir()) for path in settings.home.glob("*.tmp"))
    assert list(elsewhere.iterdir()) == []
