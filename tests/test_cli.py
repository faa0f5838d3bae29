"""The command as people meet it: what it says when things are wrong, and that it is documented."""

from __future__ import annotations

import fcntl
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.main import get_command

from cli import app
from sandbox.sendgrid import Clock, StandIn
from settings import Settings
from tests.company import REPOSITORY, SmallCompany
from tokens import DASHBOARD_SALT, text_reader

NOW = datetime(2026, 4, 7, 0, 0, tzinfo=UTC)
AS_OF = ("--as-of", NOW.isoformat())


@pytest.fixture
def company(tmp_path: Path) -> SmallCompany:
    return SmallCompany(tmp_path, active_from=NOW - timedelta(days=2))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, clock=Clock(NOW)) as stand_in:
        yield stand_in


def test_a_fresh_clone_checks_out() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "check"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "delivery is off" in done.stdout


def test_every_fault_of_the_configuration_is_told_at_once(company: SmallCompany) -> None:
    (company.rules / "tiers.yaml").unlink()
    segments = company.rules / "segments.yaml"
    segments.write_text(segments.read_text(encoding="utf-8") + "\ncolour: red\n", encoding="utf-8")
    sheet = company.rules / "scenarios.csv"
    sheet.write_text(
        sheet.read_text(encoding="utf-8").replace("価格ページ閲覧後1日", "価格ぺージ後1日"), encoding="utf-8"
    )
    (company.home / "sources.yaml").write_text(
        "sources:\n  - name: crm\n    kind: sql\n    url: ${NO_SUCH_VARIABLE}\n    query: select 1\n    into: people\n",
        encoding="utf-8",
    )
    code, out, error = company.run("check")
    assert code == 2
    assert out == ""
    for wanted in (
        r"tiers\.yaml: .*missing",
        r"segments\.yaml, line \d+: .*colour",
        r"scenarios\.csv, row 4, column 配信タイミング: .*価格ぺージ後1日",
        r"sources\.yaml, line 6: .*people",
        r"NO_SUCH_VARIABLE",
    ):
        assert re.search(wanted, error), (wanted, error)
    assert "Traceback" not in error
    assert all(line.startswith("error: ") for line in error.splitlines())
    assert company.run("cycle", *AS_OF)[0] == 2


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("NURTURE_DELIVERY", "yes", "NURTURE_DELIVERY: .*'off', 'allowlist' or 'live'"),
        ("NURTURE_TIMEZONE", "Tokio", "unknown time zone 'Tokio'"),
        ("NURTURE_SENDGRID_HOST", "ftp://example.com", "http or https URL"),
        ("NURTURE_MEMORY_LIMIT", "lots", "must be a size such as 4GB.*received: lots"),
        ("NURTURE_SFA_URL", "oracle9://hunter2@x", "NURTURE_SFA_URL: must be a SQLAlchemy URL"),
        ("NURTURE_SFA_URL", "salesforce://hunter2@x", "NURTURE_SFA_URL: must look like salesforce://CLIENT_ID"),
        ("NURTURE_SFA_URL", "hubspot://hunter2@x", "NURTURE_SFA_URL: must look like hubspot://:TOKEN@"),
        ("NURTURE_SFA_URL", "mysql://u:hunter2@h/d", "whose driver is installed"),
        ("NURTURE_SENDGRID_HOST", "https://me:hunter2@example.com", "must not carry a credential"),
        ("NURTURE_HOME", "README.md", "must be a folder, and is a file"),
        ("NURTURE_RULES", "no/such/folder", "no/such/folder: there is no rule set folder here"),
    ],
)
def test_a_setting_that_is_not_allowed(company: SmallCompany, variable: str, value: str, wanted: str) -> None:
    code, _, error = company.run("check", **{variable: value})
    assert code == 2
    assert re.search(wanted, error), error
    assert "hunter2" not in error


def test_check_warns_of_what_delivery_needs_and_only_delivery_fails_for_it(company: SmallCompany) -> None:
    without = {"NURTURE_DELIVERY": "live", "NURTURE_SENDGRID_API_KEY": "", "NURTURE_SECRET_KEY": ""}
    code, _, error = company.run("check", **without)
    assert code == 0
    assert "warning: NURTURE_SENDGRID_API_KEY" in error
    company.run("recompute", *AS_OF)
    code, _, error = company.run("send", *AS_OF, **without)
    assert code == 2
    assert "error: NURTURE_SECRET_KEY" in error


def test_an_instant_without_offset_is_refused(company: SmallCompany) -> None:
    code, _, error = company.run("recompute", "--as-of", "2026-04-07T00:00:00")
    assert code == 2
    assert "ISO 8601 with offset" in error


def test_an_earlier_instant_wants_another_home(company: SmallCompany) -> None:
    assert company.run("recompute", *AS_OF)[0] == 0
    code, _, error = company.run("recompute", "--as-of", (NOW - timedelta(days=1)).isoformat())
    assert code == 1
    assert "another home (--home DIR)" in error


def test_a_source_that_is_down_stops_no_other_and_no_mail_leaves_while_opt_outs_are_unknown(
    company: SmallCompany, server: StandIn
) -> None:
    mail = company.contact("a", NOW - timedelta(days=1))
    company.event("document_download", mail, NOW - timedelta(hours=1), asset="guide")
    (company.folder / "opt_outs.csv").rename(company.folder / "elsewhere.csv")
    code, _, error = company.run("cycle", *AS_OF, stand_in=server)
    assert code == 1
    assert "opt_outs" in error
    assert server.mailbox.mails == []
    with duckdb.connect(str(company.home / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select email, score from leads").fetchall() == [(mail, 10)]
    (company.folder / "elsewhere.csv").rename(company.folder / "opt_outs.csv")
    told = company.home / "sandbox" / "events.jsonl"
    told.rename(told.with_suffix(".away"))
    assert company.run("cycle", *AS_OF, stand_in=server)[0] == 1
    assert server.mailbox.mails == [], "the provider's events bring opt-outs too"
    told.with_suffix(".away").rename(told)
    assert company.run("cycle", *AS_OF, stand_in=server)[0] == 0
    assert [sent.to for sent in server.mailbox.mails] == [mail]


def test_a_broken_row_goes_to_quarantine_and_the_others_load(company: SmallCompany) -> None:
    company.contact("a", NOW)
    company._append("contacts", [("b", "not an address", "B", "", "", "", "", NOW.isoformat())])
    company._append("contacts", [("c", "c@example.com", "C", "", "", "", "", "yesterday")])
    company.contact("d", NOW)
    code, out, _ = company.run("pull", *AS_OF, "--json")
    assert code == 0
    counts = next(source["counts"] for source in json.loads(out)["sources"] if source["source"] == "contacts")
    assert (counts["rows_loaded"], counts["rows_quarantined"]) == (2, 2)
    with duckdb.connect(str(company.home / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute(
            "select line, column_name, value from quarantine where source = 'contacts' order by line"
        ).fetchall() == [(3, "mail", "not an address"), (4, "updated_at", "yesterday")]


def test_a_warehouse_held_by_another_is_waited_for_within_bounds(company: SmallCompany) -> None:
    company.run("recompute", *AS_OF)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb, sys; c = duckdb.connect({str(company.home / 'warehouse.duckdb')!r});"
            " print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        code, _, error = company.run("recompute", *AS_OF, NURTURE_LOCK_TIMEOUT_SECONDS="1")
        assert code == 1
        assert "warehouse.duckdb is held by another process" in error
    finally:
        holder.communicate()
    assert company.run("recompute", *AS_OF)[0] == 0


def test_two_runs_at_once_take_turns(company: SmallCompany, server: StandIn) -> None:
    for number in range(5):
        mail = company.contact(f"lead{number}", NOW - timedelta(days=1))
        company.event("document_download", mail, NOW - timedelta(hours=1), asset="guide")
    runs = [company.command("cycle", *AS_OF, stand_in=server) for _ in range(2)]
    for run in runs:
        _, error = run.communicate(timeout=120)
        assert run.returncode == 0, error
    assert sorted(mail.to for mail in server.mailbox.mails) == [f"lead{number}@example.com" for number in range(5)]


def test_a_run_that_finds_another_at_it_says_so(company: SmallCompany) -> None:
    with (company.home / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, error = company.run("recompute", *AS_OF, NURTURE_LOCK_TIMEOUT_SECONDS="0.3")
    assert code == 1
    assert "another run is at it" in error


def test_an_unreachable_sendgrid_loses_nothing_and_sends_nothing_twice(company: SmallCompany, tmp_path: Path) -> None:
    mail = company.contact("a", NOW - timedelta(days=1))
    company.event("document_download", mail, NOW - timedelta(hours=1), asset="guide")
    code, _, error = company.run("cycle", *AS_OF, NURTURE_SENDGRID_HOST="http://127.0.0.1:9")
    assert code == 1
    assert "SendGrid could not be reached" in error
    with StandIn(tmp_path, clock=Clock(NOW)) as server:
        assert company.run("cycle", *AS_OF, stand_in=server)[0] == 0
        assert company.run("cycle", *AS_OF, stand_in=server)[0] == 0
        assert [sent.to for sent in server.mailbox.mails] == [mail]


def test_sales_gets_its_leads_though_mail_is_misconfigured(company: SmallCompany) -> None:
    now = datetime.now(UTC)
    company.event("consultation_request", company.contact("a", now), now)
    code, _, error = company.run(
        "cycle", "--as-of", (now + timedelta(minutes=1)).isoformat(), NURTURE_DELIVERY="live", NURTURE_SECRET_KEY=""
    )
    assert code == 2
    assert "NURTURE_SECRET_KEY" in error
    with sqlite3.connect(company.home / "sfa.db") as sfa:
        assert len(sfa.execute("select * from handoffs").fetchall()) == 1


def test_nothing_leaves_unless_delivery_is_set(company: SmallCompany) -> None:
    mail = company.contact("a", NOW - timedelta(days=1))
    company.event("document_download", mail, NOW - timedelta(hours=1), asset="guide")
    code, out, _ = company.run("send", *AS_OF)
    assert code == 1, "nothing was recomputed yet"
    assert company.run("cycle", *AS_OF)[0] == 0
    code, out, _ = company.run("send", *AS_OF, "--json")
    assert code == 0
    assert json.loads(out)["delivered"] == {"waiting": 1}
    code, _, error = company.run("send", *AS_OF, NURTURE_DELIVERY="live")
    assert code == 2
    assert "nobody could opt out by its links" in error


def test_no_secret_or_address_is_told(company: SmallCompany, server: StandIn) -> None:
    mail = company.contact("a", NOW - timedelta(days=1))
    company.event("document_download", mail, NOW - timedelta(hours=1), asset="guide")
    said = ""
    for command in ("check", "pull", "recompute", "send", "handoff", "cycle", "daily"):
        options = () if command == "check" else AS_OF
        code, out, error = company.run(command, *options, stand_in=server)
        assert code == 0, error
        said += out + error
    assert server.mailbox.mails
    for secret in ("SG.test", "secret of the tests", mail):
        assert secret not in said


def test_the_dashboard_and_its_link(company: SmallCompany) -> None:
    code, out, error = company.run("dashboard")
    assert (code, out) == (1, "")
    assert "run `nurture daily` first" in error
    assert company.run("daily", *AS_OF)[0] == 0
    path = str(company.home / "dashboard.html")
    assert company.run("dashboard") == (0, f"{path}\n", "")
    code, out, _ = company.run("dashboard", "--link", "--json", NURTURE_PUBLIC_URL="https://mail.example.com")
    told = json.loads(out)
    assert (code, told["dashboard"]) == (0, path)
    token = told["link"].removeprefix("https://mail.example.com/dashboard/")
    until = text_reader(["secret of the tests"], DASHBOARD_SALT)(token)
    assert until is not None
    assert 28 <= (date.fromisoformat(until) - datetime.now(UTC).date()).days <= 31
    # what was signed once can be read by an old key, which signs nothing
    code, out, error = company.run("dashboard", "--link", NURTURE_SECRET_KEY="", NURTURE_OLD_SECRET_KEYS="old")
    assert (code, out) == (1, "")
    assert "set NURTURE_SECRET_KEY" in error


def test_the_dead_prefect_server_is_named(company: SmallCompany) -> None:
    process = company.command(
        "recompute",
        *AS_OF,
        PREFECT_API_URL="http://127.0.0.1:9/api",
        PREFECT_HOME=str(company.home / "prefect"),
        PREFECT_CLIENT_MAX_RETRIES="0",
    )
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "PREFECT_API_URL" in error
    assert "Traceback" not in error


def test_every_command_and_setting_is_documented() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"`nurture {name}`" in readme or f"· `{name}`" in readme, f"nurture {name} is not in README.md"
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias.choices[0] if alias is not None else f"NURTURE_{name.upper()}"  # type: ignore[union-attr]
        assert f"`{variable}`" in readme, f"{variable} is not in README.md"


def test_the_demo_refuses_a_folder_that_is_not_its_own(company: SmallCompany) -> None:
    with sqlite3.connect(company.home / "precious.db") as precious:
        precious.execute("create table kept (x)")
    code, _, error = company.run("demo", "--home", str(company.home))
    assert code == 1
    assert "no demo's" in error
    assert (company.home / "precious.db").exists()
