"""The published figures of random companies add up: each table agrees with those it is counted from.

Random stories of mails, merges, opt-outs, late opens, programs' opens, conversions, handoffs and deals are lived through;
after each run what is published is counted again in another way. A few stories run with every test, more in ``make soak``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settings import Settings
from tests.facts import add_event
from tests.tasks.test_send_balance import Story, rules_of, stories
from tests.warehouse.frames import Published
from tests.warehouse.journey_identities import check_journeys
from tests.warehouse.kpi_identities import check_figures
from tests.warehouse.test_renewal import Company
from tests.world import World, stand_in
from warehouse.connection import open_ledger, open_warehouse
from warehouse.publish import publish

EXAMPLES = os.environ.get("NURTURE_PROPERTY_EXAMPLES")
REACHED = (
    "kpi_mail_daily", "kpi_funnel_daily", "kpi_segment_daily", "kpi_handoff_daily", "kpi_cohorts",
    "kpi_cohort_times", "kpi_move_times", "kpi_stage_times", "kpi_attribution_daily", "deal_mails", "kpi_ab_tests",
)  # fmt: skip
"""What the stories have to fill, all together, lest nothing be compared with nothing."""


class Audited(Company):
    """A company some of whose readers buy, and whose every publication is audited."""

    def __init__(self, world: World, seed: int, seen: Counter[str]) -> None:
        super().__init__(world, seed)
        self._seen = seen

    def _react(self, connection: duckdb.DuckDBPyConnection) -> None:
        super()._react(connection)
        mailed = self.world.ledger("select distinct email from sends where state = 'delivered' order by email")
        for (address,) in self._random.sample(mailed, min(len(mailed), 2)):
            name = f"{self.now}{address}"
            add_event(connection, "deal_won", self.now, email=address, deal_id=name)
            connection.execute(
                "insert into deal_records values (?, 'sfa', ?, null, ?, 'won', ?, ?, ?, map {})",
                [name, name, address, self._random.choice([None, 100, 33.33]), self.now, self.now],
            )

    def _let_sales_work(self, ledger: duckdb.DuckDBPyConnection) -> None:
        """Some are called within the limit, some after it and before the second one."""
        super()._let_sales_work(ledger)
        ledger.execute(
            """
            update handoffs set status = 'contacted', status_changed_at = called_at, first_contact_at = called_at
            from (
                select handoff_id, caused_at + to_hours($hours) as called_at
                from handoffs
                where first_contact_at is null and status = 'new'
                order by handoff_id
                limit 1
            ) as called
            where handoffs.handoff_id = called.handoff_id
            """,
            {"hours": self._random.choice([20, 60, 200])},
        )

    def publish_and_compare(self) -> None:
        found = Published(publish(self.world.settings, self.now), self.world, self.now)
        check_figures(found)
        check_journeys(found)
        for name in REACHED:
            self._seen[name] = max(self._seen[name], len(found.tables[name]))
        opened = found.tables["sends"]["opened_at"].notna().sum()
        self._seen["opened"] += int(opened)
        self._seen["opened by programs"] += self.world.warehouse(
            "select count(*) from events where event_type = 'mail_open' and properties['sg_machine_open'] = 'true'"
        )[0][0]
        self._seen["merged"] += int(
            (found.tables["sends"]["lead_id"] != found.tables["sends"]["current_lead_id"]).sum()
        )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its files, migrated and with nothing in them."""
    files = Settings(home=tmp_path_factory.mktemp("empty"))
    with open_warehouse(files), open_ledger(files):
        return files.home


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    return Counter()


@pytest.mark.timeout(600 if EXAMPLES is None else 0)
@settings(
    max_examples=int(EXAMPLES) // 10 if EXAMPLES else 3,
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(story=stories, seed=st.integers(0, 1000))
def test_published_figures_add_up(empty: Path, seen: Counter[str], story: Story, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(empty, home)
        with stand_in(home) as server:
            life = Audited(World(home, server), seed, seen)
            life.begin()
            for run in story.runs:
                life.live(run, rules_of(story, run))
            life.now += timedelta(days=40)  # into another month, with windows over
            life.world.recompute(rules_of(story, story.runs[-1]), life.now)
            life.publish_and_compare()


def test_the_stories_have_filled_every_table(seen: Counter[str]) -> None:
    """Runs after the stories: it is their sum that says whether anything was held against anything."""
    assert seen, "the stories have to run first"
    assert [name for name in (*REACHED, "opened", "opened by programs", "merged") if not seen[name]] == []
