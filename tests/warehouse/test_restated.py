"""A late open changes the day of its mail, and the row says since when; days that did not change say nothing."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rules.models import RuleSet
from tests.facts import START, add_consent, add_event, add_lead, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, rule_set, step
from tests.world import World, stand_in
from warehouse.connection import open_ledger
from warehouse.publication import Publication
from warehouse.publish import publish

STEP = step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY, cta_label="事例集DL")
RULES = rule_set(steps=(STEP,), active_from=START)


def figures(world: World, rules: RuleSet, as_of: datetime) -> list[tuple[Any, ...]]:
    """Publish, and read the days of the mails."""
    world.recompute(rules, as_of)
    with duckdb.connect(str(publish(world.settings, as_of)), read_only=True) as connection:
        return connection.execute("select date, opened, restated_at from kpi_mail_daily order by date").fetchall()


def test_a_late_open_restates_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[datetime] = []
    build = Publication.build
    monkeypatch.setattr(Publication, "build", lambda one: (built.append(one.values["as_of"]), build(one)))
    first, second = at(1).date(), at(3).date()
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)

        def lead(name: str, when: datetime) -> None:
            def add(connection: duckdb.DuckDBPyConnection) -> None:
                add_lead(connection, f"{name}@example.com", when)
                add_consent(connection, f"{name}@example.com", when)
                add_event(connection, "document_download", when, email=f"{name}@example.com", asset="guide")

            world.facts(add)
            world.send(RULES, when)
            world.pull_provider_events(when)

        lead("a", at(1))
        assert figures(world, RULES, at(1, hours=1)) == [(first, 0, None)]
        ((send_id,),) = world.ledger("select send_id from sends")
        # today's figures grow, which is nothing to mark
        world.facts(
            lambda connection: add_event(connection, "mail_open", at(1, 2), email="a@example.com", send_id=send_id)
        )
        assert figures(world, RULES, at(1, hours=3)) == [(first, 1, None)]
        lead("b", at(3))
        assert figures(world, RULES, at(3, hours=1)) == [(first, 1, None), (second, 0, None)]
        ((later,),) = world.ledger("select send_id from sends where email = 'b@example.com'")
        world.facts(
            lambda connection: add_event(
                connection, "mail_open", at(3, 2), email="b@example.com", send_id=later, received_at=at(5)
            )
        )
        # published for the first time since the day is over
        assert figures(world, RULES, at(4, hours=1)) == [(first, 1, None), (second, 0, None)]
        restated = [(first, 1, None), (second, 1, at(5, hours=1))]
        assert figures(world, RULES, at(5, hours=1)) == restated
        assert figures(world, RULES, at(6)) == restated, "a publication that changes nothing marks nothing"
        assert built == [at(1, hours=1)], "all but the first are renewed"
        # also where all is built anew
        others = rule_set(steps=(STEP,), active_from=START, minimum_score=1)
        assert others.version != RULES.version
        assert figures(world, others, at(7)) == restated
        assert built == [at(1, hours=1), at(7)]


def test_figures_of_an_earlier_instant_are_built_anew(tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)
        world.facts(lambda connection: add_lead(connection, "a@example.com"))
        world.recompute(RULES, at(5))
        publish(world.settings, at(5))
        with duckdb.connect(str(publish(world.settings, at(2))), read_only=True) as connection:
            assert connection.execute("select as_of from publication").fetchall() == [(at(2),)]
            assert connection.execute("select max(date) from kpi_segment_daily").fetchall() == [(at(2).date(),)]
            assert connection.execute("select count(restated_at) from kpi_segment_daily").fetchall() == [(0,)]


def test_what_killed_publications_left_goes_and_an_unseen_change_builds_all_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[datetime] = []
    build = Publication.build
    monkeypatch.setattr(Publication, "build", lambda one: (built.append(one.values["as_of"]), build(one)))
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)

        def add(connection: duckdb.DuckDBPyConnection) -> None:
            add_lead(connection, "a@example.com")
            add_consent(connection, "a@example.com")
            add_event(connection, "document_download", at(1), email="a@example.com", asset="guide")

        world.facts(add)
        world.send(RULES, at(1))
        publish(world.settings, at(2))
        ended = subprocess.Popen(["true"])
        ended.wait()
        for name in (f".kpi.duckdb.{ended.pid}", f".kpi.duckdb.{ended.pid}.wal", f".kpi.duckdb.{os.getppid()}"):
            (tmp_path / name).write_bytes(b"")
        publish(world.settings, at(3))
        assert built == [at(2)]
        assert [path.name for path in tmp_path.glob(".kpi.duckdb.*")] == [f".kpi.duckdb.{os.getppid()}"]
        # as if a ledger of another day had been put in its place
        with open_ledger(world.settings) as ledger:
            ledger.execute("update sends set state = 'bounced'")
        with duckdb.connect(str(publish(world.settings, at(4))), read_only=True) as connection:
            assert connection.execute("select state from sends").fetchall() == [("bounced",)]
        assert built == [at(2), at(4)]
