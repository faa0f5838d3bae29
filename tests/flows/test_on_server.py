"""The deployments on a real Prefect server with a real worker, as a data engineer would set them up.

The tests share one server, one company and one ledger, and each acts at an instant after those of the tests before it.
"""

from __future__ import annotations

import http.client
import json
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from sandbox.sendgrid import Clock, StandIn
from tasks.mail_links import signed_links
from tests.company import REPOSITORY, SmallCompany
from tests.prefect_server import PrefectServer, end_group, prefect_server, wait_for

__all__ = ["prefect_server"]  # a fixture

NOON = datetime(2026, 4, 8, 3, 0, tzinfo=UTC)
"""A Wednesday's noon in Tokyo."""
LEADS = 5
DEPLOYMENTS = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
GUIDE = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```bash (\S+)\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL))
"""The commands of docs/deploy.md, by the name each block bears."""

KILLED_LIMIT = "killed-test"
HOLD = f"""
import time
from prefect import flow
from flows import runtime

runtime.WRITER_LIMIT = "{KILLED_LIMIT}"

@flow(name="hold")
def hold():
    with runtime.as_only_writer(None, None):
        print("held", flush=True)
        time.sleep(600)

hold()
"""


@dataclass(frozen=True)
class Deployed:
    """The deployments, a worker that runs them, and the company they run for."""

    server: PrefectServer
    company: SmallCompany
    killed_at: float
    """When a run was killed that held the limit ``killed-test``, by the monotonic clock."""

    def run(self, *deployments: str, **parameters: Any) -> list[str]:
        """Schedule these now, all at once, and wait. Returns the runs' ids; each must have completed."""
        runs = [self.server.schedule(name, **parameters) for name in deployments]
        assert self.server.states(*runs) == ["COMPLETED"] * len(runs)
        return runs

    def accepted(self) -> list[str]:
        """The send ids the stand-in took, in order."""
        path = self.company.home / "sandbox" / "accepted.jsonl"
        return [json.loads(line)["send_id"] for line in path.read_text().splitlines()]

    def rows(self, file: str, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.company.home / file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table of the three files, but for what tells one recompute from another."""
        files = ("warehouse.duckdb", "ledger.duckdb", "kpi.duckdb")
        tables = [
            (file, name) for file in files for (name,) in self.rows(file, "select table_name from duckdb_tables()")
        ]
        named = {"publication": 'select * exclude (recompute_id) from "publication"'}
        return {
            f"{file}: {name}": sorted(map(repr, self.rows(file, named.get(name, f'from "{name}"'))))
            for file, name in tables
            if name != "recomputes"
        }


@pytest.fixture(scope="module")
def deployed(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Work pool, secret, deployments and worker, by the commands of docs/deploy.md."""
    folder = tmp_path_factory.mktemp("deployed")
    company = SmallCompany(folder / "home", active_from=NOON - timedelta(days=1))
    for number in range(LEADS):
        mail = company.contact(f"lead{number}", NOON - timedelta(hours=2))
        company.event("document_download", mail, NOON - timedelta(hours=1), asset="guide")
    company.event("consultation_request", mail, NOON - timedelta(minutes=30))
    killed_at = _kill_a_run(prefect_server)
    with StandIn(company.home, clock=Clock(NOON)) as stand_in:
        settings = company.environment(stand_in)
        secrets = [settings.pop("NURTURE_SENDGRID_API_KEY"), settings.pop("NURTURE_SECRET_KEY")]
        for block, typed in (("secrets", "\n".join(secrets) + "\n"), ("pool", ""), ("deploy", "")):
            done = prefect_server.script(BLOCKS[block], REPOSITORY, typed, **settings)
            assert done.returncode == 0, f"{block}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        arguments = shlex.split(BLOCKS["worker"])[1:]
        # away from the clone, so that only the deployments' own pull step leads there
        with prefect_server.worker("nurture", arguments, cwd=folder, **settings):
            yield Deployed(prefect_server, company, killed_at)


def _kill_a_run(server: PrefectServer) -> float:
    """Kill a run that has the writers' turn, at once and without a chance to tidy up."""
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=REPOSITORY,
        env=server.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "held\n"
    run.kill()
    run.stdout.close()
    end_group(run)
    return time.monotonic()


def test_the_server_has_every_deployment_as_written(deployed: Deployed) -> None:
    there = deployed.server.deployments()
    assert set(there) == {entry["name"] for entry in DEPLOYMENTS}
    for entry in DEPLOYMENTS:
        deployment = there[entry["name"]]
        assert deployment["description"] == entry["description"]
        assert deployment["tags"] == entry["tags"]
        (schedule,) = deployment["schedules"]
        (wanted,) = entry["schedules"]
        assert (schedule["active"], schedule["schedule"]["cron"]) == (wanted["active"], wanted["cron"])
        assert schedule["schedule"]["timezone"] == "Asia/Tokyo"
        assert deployment["pull_steps"] == [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(REPOSITORY)}}
        ]
        assert not deployment["job_variables"], "secrets stay in their blocks"


def test_two_cycles_at_once_take_turns_and_send_each_mail_once(deployed: Deployed) -> None:
    runs = deployed.run("nurture-cycle", "nurture-cycle", as_of=NOON.isoformat())
    accepted = deployed.accepted()
    assert len(accepted) == len(set(accepted)) >= LEADS
    acts = "select send_id from sends union all select notice_id from notices where state != 'cancelled'"
    assert sorted(send_id for (send_id,) in deployed.rows("ledger.duckdb", acts)) == sorted(accepted)
    tasks = deployed.server.post("/task_runs/filter", flow_runs={"id": {"any_": runs}}, limit=200)
    turns = sorted(
        (min(times)[0], max(times, key=lambda time: time[1])[1])
        for run in runs
        if (times := [(task["start_time"], task["end_time"]) for task in tasks if task["flow_run_id"] == run])
    )
    assert len(turns) == 2
    assert all(ended < begun for (_, ended), (begun, _) in pairwise(turns)), turns


def test_the_daily_run_publishes_and_a_second_round_at_the_same_instant_changes_nothing(deployed: Deployed) -> None:
    (daily,) = deployed.run("daily-handoff-and-kpi", as_of=NOON.isoformat())
    counted = deployed.rows("kpi.duckdb", "select sum(sent)::int from kpi_mail_daily")
    assert counted == deployed.rows("ledger.duckdb", "select count(*) from sends") != [(0,)]
    assert deployed.rows("kpi.duckdb", "select count(*) from leads") == [(LEADS,)]

    artifacts = deployed.server.post("/artifacts/filter", flow_runs={"id": {"any_": [daily]}})
    kinds = {artifact["key"]: artifact["type"] for artifact in artifacts}
    assert kinds["nurture-summary"] == "markdown"
    assert kinds["nurture-mails"] == "table"
    (summary,) = (artifact for artifact in artifacts if artifact["key"] == "nurture-summary")
    assert NOON.isoformat() in summary["data"]
    assert f"ダッシュボード: `{deployed.company.home / 'dashboard.html'}`" in summary["data"]

    # takes in what the provider told of the morning's lists, which went out after the figures
    deployed.run("nurture-cycle", as_of=NOON.isoformat())
    deployed.run("daily-handoff-and-kpi", as_of=NOON.isoformat())
    before, accepted = deployed.everything(), deployed.accepted()
    deployed.run("nurture-cycle", "daily-handoff-and-kpi", as_of=NOON.isoformat())
    assert deployed.everything() == before
    assert deployed.accepted() == accepted


def test_a_scheduled_run_of_every_deployment_completes(deployed: Deployed) -> None:
    """All at once and with no parameters, as their schedules run them: each instant is that of the run's turn."""
    accepted = deployed.accepted()
    begun = datetime.now(UTC)
    runs = deployed.run(*(entry["name"] for entry in DEPLOYMENTS))
    ((published_at,),) = deployed.rows("kpi.duckdb", "select as_of from publication")
    assert begun <= published_at <= datetime.now(UTC)
    lists = "select notice_id from notices where kind in ('digest', 'review')"
    digests = {name for (name,) in deployed.rows("ledger.duckdb", lists)}
    new = set(deployed.accepted()) - set(accepted)
    assert new <= digests, "what was due months ago is not mailed any more"
    assert deployed.rows("ledger.duckdb", "select cause, state, count(*) from notices where kind = 'review' group by all order by all") == [
        ("month", "accepted", 1), ("week", "accepted", 1),
    ]  # fmt: skip
    reviews = deployed.server.post("/artifacts/filter", flow_runs={"id": {"any_": runs}}, limit=200)
    texts = {one["key"]: one["data"] for one in reviews if one["key"].startswith("nurture-review-")}
    assert set(texts) == {"nurture-review-week", "nurture-review-month"}
    assert all("## 指標" in text and not re.search(r"\w@\w", text) for text in texts.values())
    assert len(list((deployed.company.home / "reviews").glob("*.html"))) == 2
    told = [deployed.server.get(f"/flow_runs/{run}") for run in runs]
    logs = deployed.server.post("/logs/filter", logs={"flow_run_id": {"any_": runs}}, limit=200)
    assert logs
    assert "SG.test" not in json.dumps([told, logs])


def test_the_command_goes_through_the_server_that_is_set(deployed: Deployed, tmp_path: Path) -> None:
    company = SmallCompany(tmp_path / "home", active_from=None)
    company.contact("hanako", NOON)
    done = deployed.server.command(
        *("nurture", "pull", "--home", str(company.home), "--as-of", NOON.isoformat(), "--json"),
        cwd=tmp_path,
        **company.environment(None),
    )
    assert done.returncode == 0, done.stderr
    assert {source["source"] for source in json.loads(done.stdout)["sources"]} >= {"contacts", "behaviour"}
    runs = deployed.server.post("/flow_runs/filter", flows={"name": {"any_": ["pull-behavior"]}})
    (run,) = (run for run in runs if run["deployment_id"] is None)
    assert run["state"]["type"] == "COMPLETED"
    assert run["parameters"]["home"] == str(company.home)


@pytest.mark.parametrize("block", ["run", "alert", "free"])
def test_what_the_guide_says_for_every_day_works(deployed: Deployed, block: str) -> None:
    done = deployed.server.script(BLOCKS[block], REPOSITORY, NURTURE_HOME=str(deployed.company.home))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_alert_of_the_guide_goes_off(deployed: Deployed, tmp_path: Path) -> None:
    done = deployed.server.script(BLOCKS["alert"], REPOSITORY, NURTURE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "90 minutes" in done.stderr


def test_a_killed_run_gives_up_its_turn_within_its_lease(deployed: Deployed) -> None:
    def is_free() -> bool | None:
        limits = deployed.server.post("/v2/concurrency_limits/filter")
        (held,) = (limit["active_slots"] for limit in limits if limit["name"] == KILLED_LIMIT)
        return True if held == 0 else None

    wait_for(
        is_free, 75 - (time.monotonic() - deployed.killed_at), "the killed run's lease to end", deployed.server.home
    )


def test_what_the_web_face_takes_starts_a_round_within_seconds(deployed: Deployed, tmp_path: Path) -> None:
    """No schedule runs here: only the event that the web face tells starts the round."""
    home = deployed.company.home
    settings = deployed.company.environment(None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["-m", "cli", "intake", "--port", str(port)]
    with (tmp_path / "intake.log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=deployed.server.environment(**settings),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:

        def took() -> float | None:
            assert web.poll() is None, (tmp_path / "intake.log").read_text()
            path = f"/u/{signed_links('', settings['NURTURE_SECRET_KEY']).opt_out('S0')}"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("POST", path)
                return time.monotonic() if connection.getresponse().status == 200 else None
            except OSError:
                return None
            finally:
                connection.close()

        taken_at = wait_for(took, 60, "the web face", deployed.server.home)

        def is_known() -> bool | None:
            try:
                rows = deployed.rows("warehouse.duckdb", "from events where source = 'inbox'")
            except duckdb.IOException:  # a run has the file
                return None
            return bool(rows) or None

        wait_for(is_known, 60, "the round that reads it", deployed.server.home)
    finally:
        end_group(web)
    assert time.monotonic() - taken_at < 60
    assert (home / "inbox.db").exists()
    assert "warning" not in (tmp_path / "intake.log").read_text().lower()
