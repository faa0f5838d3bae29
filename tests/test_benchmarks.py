"""The engine's tables are row by row those of SQL written by hand for the bench, which knows nothing of the engine."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.publishing import measure_publishing
from benchmarks.recomputing import SAME_TABLES, check_same, measure_size, slope
from benchmarks.sending import measure_sending
from benchmarks.syncing import measure_syncing


def test_the_engine_makes_what_hand_written_sql_makes(tmp_path: Path) -> None:
    runs = measure_size(tmp_path, leads=1_000, events=60_000, changed=20, report=lambda _: None)
    assert set(runs) == {"floor", "first", "rules", "change"}
    assert all(run.seconds > 0 and run.peak_bytes > 0 for run in runs.values())
    with duckdb.connect(str(tmp_path / "home" / "floor.duckdb"), read_only=True) as connection:
        for table in SAME_TABLES:
            assert connection.execute(f"select count(*) > 100 from {table}").fetchone() == (True,), table
    # by now some leads have done more
    with pytest.raises(AssertionError, match="lead_score_points"):
        check_same(tmp_path / "home")


@pytest.mark.parametrize(("occasion", "decided"), [("newsletter", 1_500), ("downloads", 3_000)])
def test_mails_are_decided_and_delivered_beside_a_floor_of_as_many(occasion: str, decided: int, tmp_path: Path) -> None:
    floor, ours, helper = measure_sending(tmp_path, occasion, 1_500)
    assert floor.mails == ours.mails == 1_500
    assert helper.mails == 1_000
    assert helper.us_a_mail > 0
    assert set(ours.parts) == {"enrol", "decide", "deliver"}
    assert sum(ours.parts.values()) == pytest.approx(ours.seconds)
    with duckdb.connect(str(tmp_path / f"{occasion}_1500" / "ledger.duckdb"), read_only=True) as ledger:
        assert ledger.execute("select mails, outcome from attempts order by 1").fetchall() == [
            (500, "accepted"), (1000, "accepted"),
        ]  # fmt: skip
        assert ledger.execute("select count(*) from send_decisions where is_final").fetchone() == (decided,)


def test_as_many_leads_are_synced_as_the_floor_upserts() -> None:
    found = measure_syncing(300)
    assert [(one.database, one.who, one.leads) for one in found] == [
        ("sqlite", "floor", 300), ("sqlite", "ours", 300), ("postgresql", "floor", 300), ("postgresql", "ours", 300),
    ]  # fmt: skip
    assert all(one.seconds > 0 and one.peak_bytes > 0 for one in found)


def test_a_day_is_published_by_what_it_changed(tmp_path: Path) -> None:
    said: list[str] = []
    anew, renewed, harder = measure_publishing(tmp_path, 1_000, 20_000, said.append)
    assert 0 < renewed.kpi_seconds < renewed.seconds
    assert anew.peak_bytes > 0
    assert "sends" in anew.parts
    for one in (renewed, harder):
        assert "which mails have changed" in one.parts, "it was renewed, and not built anew"
    assert any('"sends"' in one for one in said)
    assert any('"lead_aliases"' in one for one in said)


def test_slope_is_that_of_time_on_size() -> None:
    assert slope([(10, 1.0), (100, 10.0), (1000, 100.0)]) == pytest.approx(1.0)
    assert slope([(10, 1.0), (1000, 10_000.0)]) == pytest.approx(2.0)
