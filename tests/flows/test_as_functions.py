"""Without a server a flow is the function it wraps: the ``nurture`` command calls it so, and nothing may be started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings

from flows.daily_handoff_and_kpi import daily_handoff_and_kpi
from flows.hand_off_leads import hand_off_leads
from flows.nurture_cycle import nurture_cycle
from flows.pull_behavior import pull_behavior
from flows.recompute_leads import recompute_leads
from flows.review_performance import review_performance
from flows.runtime import as_only_writer, instant
from flows.send_scenarios import send_scenarios
from rules.loader import load_rules
from sandbox.sendgrid import Clock, StandIn
from settings import load_settings
from tasks import steps
from tasks.errors import RunError
from tests.company import SmallCompany
from tests.intake.face import face
from tokens import FOLLOW_UP_SALT, TextSigner
from warehouse.errors import WarehouseError

NOON = datetime(2026, 4, 8, 3, 0, tzinfo=UTC)
"""A Wednesday's noon in Tokyo."""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallCompany]:
    """A company with one lead to be mailed and handed off, where any call of Prefect's API fails."""
    company = SmallCompany(tmp_path / "home", active_from=NOON - timedelta(days=1))
    mail = company.contact("ichiro", NOON - timedelta(hours=2))
    company.event("consultation_request", mail, NOON - timedelta(hours=1))
    monkeypatch.chdir(tmp_path)
    with (
        StandIn(company.home, clock=Clock(NOON)) as stand_in,
        temporary_settings({PREFECT_API_URL: None, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}),
    ):
        for name, value in company.environment(stand_in).items():
            monkeypatch.setenv(name, value)
        yield company


def ledger(company: SmallCompany, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(company.home / "ledger.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_every_flow_runs_as_a_plain_function_and_asks_prefect_for_nothing(company: SmallCompany) -> None:
    with pytest.raises(ValueError, match="API URL"):
        get_client()
    assert [source.error for source in pull_behavior.fn(as_of=NOON).sources] == [None] * 4
    assert sum(recompute_leads.fn(as_of=NOON).values()) == 1
    assert send_scenarios.fn(as_of=NOON)["delivered"]["accepted"] == 1
    assert hand_off_leads.fn(as_of=NOON)["handoffs"] == 1
    assert nurture_cycle.fn(as_of=NOON)["handoff"]["handoffs"] == 0
    assert daily_handoff_and_kpi.fn(as_of=NOON) == company.home / "kpi.duckdb"
    assert review_performance.fn(as_of=NOON)["notices_sent"] == 1


@pytest.mark.parametrize("flow", [hand_off_leads, daily_handoff_and_kpi])
def test_what_sales_said_by_a_link_is_known_before_anybody_is_reminded(company: SmallCompany, flow: Any) -> None:
    nurture_cycle.fn(as_of=NOON)
    called, later = NOON + timedelta(hours=1), NOON + timedelta(hours=41)  # the reminder's time
    settings = load_settings()
    ((handoff_id,),) = ledger(company, "select handoff_id from handoffs")
    link = TextSigner(settings.secret_keys[0], FOLLOW_UP_SALT)(handoff_id)
    with face(settings, load_rules(settings.rules), called) as web:
        assert web.post(f"/h/{link}", {"status": "contacted"}).status == 200
    recompute_leads.fn(as_of=later)
    flow.fn(as_of=later)
    assert ledger(company, "select status, first_contact_at from handoffs") == [("contacted", called)]
    assert ledger(company, "select count(*) from notices where kind = 'reminder'") == [(0,)]


def test_a_days_lists_go_out_once_however_often_the_flow_runs_and_though_it_is_killed(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The managers' shows the figures of this very run, which are published before it goes out."""
    nurture_cycle.fn(as_of=NOON)
    lists = "select recipient, state from notices where kind = 'digest' order by recipient"
    tomorrow = NOON.replace(hour=0) + timedelta(days=1)  # 09:00 in Tokyo
    for hours in (-8.5, -2.5):
        daily_handoff_and_kpi.fn(as_of=tomorrow + timedelta(hours=hours))
        assert ledger(company, lists) == []

    class Killed(BaseException):
        """Nothing catches it."""

    notify = steps.send_notices

    def notify_or_die(home: Path | None, as_of: datetime) -> int:
        if ledger(company, lists):
            raise Killed
        return notify(home, as_of)

    monkeypatch.setattr(steps, "send_notices", notify_or_die)
    with pytest.raises(Killed):
        daily_handoff_and_kpi.fn(as_of=tomorrow - timedelta(hours=2))
    planned = ledger(company, lists)
    assert {state for _, state in planned} == {"planned"}
    assert {recipient for recipient, _ in planned} == {"sato", "takahashi"}
    monkeypatch.setattr(steps, "send_notices", notify)
    for hours in (-1.5, -0.5):
        daily_handoff_and_kpi.fn(as_of=tomorrow + timedelta(hours=hours))
    assert ledger(company, lists) == [(recipient, "accepted") for recipient, _ in planned]


def test_figures_that_cannot_be_published_keep_no_list_from_sales_and_hide_no_other_fault(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurture_cycle.fn(as_of=NOON)
    morning = NOON.replace(hour=0) + timedelta(days=1)  # 09:00 in Tokyo

    def fail(told: str) -> Any:
        def call(*_: object, **__: object) -> None:
            raise WarehouseError(told)

        return call

    monkeypatch.setattr(steps, "read_sfa", fail("the SFA is down"))
    with monkeypatch.context() as failing:
        failing.setattr(steps, "publish_kpis", fail("the warehouse is held"))
        with pytest.raises(RunError, match="the SFA is down\nthe warehouse is held"):
            daily_handoff_and_kpi.fn(as_of=morning)
    assert ledger(company, "select distinct state from notices where kind = 'digest'") == [("accepted",)]
    monkeypatch.setattr(steps, "plan_digests", fail("the ledger is held"))
    with pytest.raises(RunError, match="the SFA is down\nthe ledger is held"):
        daily_handoff_and_kpi.fn(as_of=morning + timedelta(hours=1))
    assert (company.home / "dashboard.html").exists()


def test_a_review_that_waited_for_its_turn_takes_no_figures_back(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurture_cycle.fn(as_of=NOON)
    later = NOON + timedelta(minutes=20)

    @contextmanager
    def after_another(home: Path | None, as_of: datetime | None) -> Iterator[datetime]:
        if not (company.home / "kpi.duckdb").exists():
            steps.publish_kpis(home, later)
        with as_only_writer(home, as_of) as at:
            yield at

    monkeypatch.setattr("flows.review_performance.as_only_writer", after_another)
    review_performance.fn(as_of=NOON)
    with duckdb.connect(str(company.home / "kpi.duckdb"), read_only=True) as connection:
        assert connection.execute("select as_of from publication").fetchall() == [(later,)]


def test_an_instant_without_an_offset_is_utc_and_none_is_now(tmp_path: Path) -> None:
    assert instant(NOON.replace(tzinfo=None)) == NOON
    with as_only_writer(tmp_path, NOON) as at:
        assert at == NOON
    before = datetime.now(UTC)
    with as_only_writer(tmp_path, None) as at:
        assert before <= at <= datetime.now(UTC)
