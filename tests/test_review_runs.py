"""Reviews as they run: by the command and as a flow, twice, at once and killed; each is kept and mailed once."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.sendgrid import Clock, Fault, StandIn
from tests import forking
from tests.company import SmallCompany
from tests.review_history import AS_OF, Truth, made_history

NOW = AS_OF.isoformat()
ROUNDS = max(3, int(os.environ.get("NURTURE_KILL_ROUNDS", "0")) // 10)
MANAGER = "ken.takahashi@example.com"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's home with a past in which something is to be found."""
    home = tmp_path_factory.mktemp("history") / "home"
    made_history(home, Truth(lift=3, idle_calls=100, leak=0.04))
    return home


@pytest.fixture
def company(history: Path, tmp_path: Path) -> SmallCompany:
    import shutil

    made = SmallCompany(tmp_path / "small", active_from=None)
    for name in ("kpi.duckdb", "warehouse.duckdb", "ledger.duckdb"):
        shutil.copy(history / name, made.home / name)
    return made


@pytest.fixture
def server(company: SmallCompany) -> Iterator[StandIn]:
    with StandIn(company.home, clock=Clock(AS_OF)) as stand_in:
        yield stand_in


def ledger(company: SmallCompany, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(company.home / "ledger.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def accepted(company: SmallCompany) -> Counter[str]:
    path = company.home / "sandbox" / "accepted.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(json.loads(line)["to"] for line in lines)


def findings(company: SmallCompany) -> list[tuple[Any, ...]]:
    return ledger(company, "select * exclude (reviewed_at) from review_findings order by all")


def review(company: SmallCompany, server: StandIn | None, *more: str, as_of: str = NOW) -> dict[str, Any]:
    code, out, error = company.run("review", "--as-of", as_of, "--json", *more, stand_in=server)
    assert code == 0, error
    told: dict[str, Any] = json.loads(out)
    return told


def test_the_managers_get_what_was_found_once(company: SmallCompany, server: StandIn) -> None:
    first = review(company, server)
    assert first["period"] == "week 2026-05-25"
    assert (first["is_new"], first["notices"], first["notices_sent"]) == (True, 1, 1)
    assert first["edits"] > 0
    (mail,) = server.mailbox.mails
    assert mail.to == MANAGER
    assert mail.subject.startswith("【週次レビュー 2026年5月25日〜5月31日】提案 ")
    for text in (mail.text, mail.html):
        assert "65点に上げても" in text
        assert "week-2026-05-25.html" in text
        assert "@" not in text, "it names nobody"
    page = Path(first["report"])
    assert page.parent == company.home / "reviews"
    before = (findings(company), page.read_bytes())
    again = review(company, server)
    assert (again["is_new"], again["notices"], again["notices_sent"]) == (False, 0, 0)
    assert again["findings"] == first["findings"]
    later = review(company, server, as_of=(AS_OF + timedelta(days=3)).isoformat())
    assert later["is_new"] is False
    assert (findings(company), page.read_bytes()) == before
    assert accepted(company) == {MANAGER: 1}


def test_a_month_is_a_review_of_its_own(company: SmallCompany, server: StandIn) -> None:
    review(company, server)
    month = review(company, server, "--period", "month")
    assert (month["period"], month["is_new"]) == ("month 2026-05-01", True)
    assert accepted(company) == {MANAGER: 2}
    names = {path.name for path in (company.home / "reviews").iterdir()}
    assert {"month-2026-05-01.html", "month-2026-05-01.md", "week-2026-05-25.html", "week-2026-05-25.md"} <= names


def test_what_was_found_is_published_and_an_analyst_can_read_it(company: SmallCompany, server: StandIn) -> None:
    told = review(company, server)
    with duckdb.connect(str(company.home / "kpi.duckdb"), read_only=True) as published:
        ((rows, edits),) = published.execute("select count(*), count(rule_edit) from kpi_reviews").fetchall()
    assert (rows, edits) == (told["findings"], told["edits"])


def test_reviewers_get_it_in_place_of_the_managers(company: SmallCompany, server: StandIn) -> None:
    with (company.rules / "handoff.yaml").open("a", encoding="utf-8") as file:
        file.write("\nreviewers:\n  - {id: ito, name: 伊藤 愛, email: ai.ito@example.com}\n")
    review(company, server)
    assert accepted(company) == {"ai.ito@example.com": 1}
    assert server.mailbox.mails[0].text.count("伊藤 愛 さん") == 1


def test_without_delivery_the_report_is_there_and_the_mail_waits_and_goes_with_another_run(
    company: SmallCompany, server: StandIn
) -> None:
    told = review(company, None)
    assert (told["notices"], told["notices_sent"]) == (1, 0)
    assert Path(told["report"]).exists()
    later = review(company, server, as_of=(AS_OF + timedelta(hours=1)).isoformat())
    assert (later["is_new"], later["notices_sent"]) == (False, 1)
    assert accepted(company) == {MANAGER: 1}


def test_a_provider_that_is_down_costs_the_mail_a_while_and_nothing_else(
    company: SmallCompany, server: StandIn
) -> None:
    server.faults.set([Fault("status", status=429)])
    code, _, error = company.run("review", "--as-of", NOW, stand_in=server)
    assert code == 1
    assert "wait for the next run" in error
    assert (company.home / "reviews" / "week-2026-05-25.html").exists()
    server.faults.set([])
    assert review(company, server)["notices_sent"] == 1
    assert accepted(company) == {MANAGER: 1}


def test_two_at_once_are_one(company: SmallCompany, server: StandIn) -> None:
    files = [company.home / f"{name}.log" for name in "ab"]
    runs = [forking.start(["review", "--as-of", NOW], company.environment(server), file) for file in files]
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0, 0], [file.read_text() for file in files]
    assert accepted(company) == {MANAGER: 1}
    assert len(findings(company)) == len(set(findings(company))) > 20


def test_killed_anywhere_it_is_kept_whole_or_not_at_all_and_mailed_at_most_once(history: Path, tmp_path: Path) -> None:
    """Killed at random instants, then run to its end: one set of findings, and the mail was not sent again."""
    import shutil

    left: Counter[str] = Counter()
    chance, wanted = random.Random(11), None
    seconds = 6.0
    for round_number in range(ROUNDS + 1):
        made = SmallCompany(tmp_path / f"round{round_number}", active_from=None)
        for name in ("kpi.duckdb", "warehouse.duckdb", "ledger.duckdb"):
            shutil.copy(history / name, made.home / name)
        with StandIn(made.home, clock=Clock(AS_OF)) as stand_in:
            begun = time.monotonic()
            run = forking.start(["review", "--as-of", NOW], made.environment(stand_in), made.home / "log.txt")
            if round_number:
                if round_number % 2:
                    run.join(chance.uniform(0.1, 0.8) * seconds)
                else:  # at the mail, which comes after the page
                    page = made.home / "reviews" / "week-2026-05-25.html"
                    while run.is_alive() and not page.exists():
                        time.sleep(0.005)
                    run.join(chance.uniform(0, 0.3))
                run.kill()
            run.join(120)
            if not round_number:
                assert run.exitcode == 0, (made.home / "log.txt").read_text()
                seconds, wanted = time.monotonic() - begun, findings(made)
                assert accepted(made) == {MANAGER: 1}
                continue
            known = ledger(made, "select 1 from duckdb_tables() where table_name = 'review_findings'")
            kept = findings(made) if known else []
            assert kept in ([], wanted), "a part of a review was kept"
            left["kept" if kept else "nothing"] += 1
            before = accepted(made)
            assert before in ({}, {MANAGER: 1})
            review(made, stand_in)
            assert findings(made) == wanted
            (state,) = ledger(made, "select state from notices where kind = 'review'")
            assert accepted(made) == {MANAGER: 1} or state == ("sending",)
            assert (made.home / "reviews" / "week-2026-05-25.html").exists()
            review(made, stand_in)
            assert accepted(made) in ({MANAGER: 1}, before)
    assert min(left["nothing"], left["kept"]) > 0, left
