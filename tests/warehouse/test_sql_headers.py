"""Every model says what a row is, its key and what it is made from; the key and the sources are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import sqlglot

from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, PRICE_VIEW, rule_set, step
from tests.world import World, stand_in
from warehouse.connection import open_warehouse
from warehouse.derivation import MODELS
from warehouse.leads import leads_query
from warehouse.publish import publish

QUERIES = MODELS.parent / "queries"
SELECTIONS = ("enrol", "decide", "claim", "handoff_causes")
HEADERED = [*sorted(MODELS.rglob("*.sql")), *(QUERIES / f"{name}.sql" for name in SELECTIONS)]
_PARAMETER = re.compile(r"(?<!\w)\$[a-z_]+")


def header(path: Path) -> dict[str, str]:
    """The header's parts: the sentence on the rows, ``key`` and ``from``."""
    lines = [line[3:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("-- ")]
    assert re.match(r"One row (per|a) .+\.$|One row (per|a) ", lines[0]), f"{path.name}: says what a row is first"
    parts = {"row": lines[0]}
    text = "\n".join(lines)
    for name in ("key", "from"):
        found = re.search(rf"^{name}: (.+(?:\n {{6}}.+)*)$", text, re.MULTILINE)
        assert found, f"{path.name}: has no {name}:"
        parts[name] = " ".join(found.group(1).split())
    return parts


@pytest.mark.parametrize("path", HEADERED, ids=lambda path: str(path.relative_to(MODELS.parent)))
def test_a_header_names_the_tables_the_query_reads(path: Path) -> None:
    query = sqlglot.parse_one(_PARAMETER.sub("null", path.read_text(encoding="utf-8")), dialect="duckdb")
    own = {common.alias for common in query.find_all(sqlglot.exp.CTE)}
    read = {table.name for table in query.find_all(sqlglot.exp.Table) if table.db or table.name not in own}
    assert read == {name.strip() for name in header(path)["from"].split(",")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    rules = rule_set(
        steps=(
            step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY),
            step("later", PRICE_VIEW, segment="everyone", delay=timedelta(days=1)),
        ),
        active_from=START,
    )
    with stand_in(home) as server:
        made = World(home, server)

        def add(connection: duckdb.DuckDBPyConnection) -> None:
            for number in range(12):
                mail = f"lead{number}@example.com"
                for day in (0, 3):
                    add_lead(connection, mail, at(day), title="部長", industry="製造業" if day else "IT", topics="a;b")
                add_consent(connection, mail)
                add_event(connection, "document_download", at(1), email=mail, visitor=f"v{number // 2}", asset="case-1")
                for minute in range(0, 100, 7):
                    add_event(connection, "page_view", at(2, minutes=minute), visitor=f"v{number // 2}", url="/price")
                add_event(connection, "consultation_request", at(2, hours=number), email=mail)
                if number % 3 == 0:
                    add_suppression(connection, mail, at(4))
            connection.execute(
                "insert into deal_records values ('d1', 'crm', 'D', null, 'lead1@example.com', 'open', 1, ?, ?, map {}),"
                " ('d2', 'crm', 'D', null, 'lead1@example.com', 'won', 2, ?, ?, map {})",
                [at(3), at(3), at(5), at(5)],
            )

        made.facts(add)
        made.send(rules, at(1, hours=1))
        made.hand_off(rules, at(3))
        made.pull_provider_events(at(3.5))
        made.send(rules, at(4))
        made.recompute(rules, at(6))
        publish(made.settings, at(6))
        yield made


@pytest.mark.parametrize("path", sorted(MODELS.rglob("*.sql")), ids=lambda path: str(path.relative_to(MODELS)))
def test_a_key_is_one_on_real_output(path: Path, world: World) -> None:
    key = header(path)["key"]
    if path.parent == MODELS:
        with open_warehouse(world.settings) as connection:
            counted = connection.execute(f"select count(*), count(distinct ({key})) from {path.stem}").fetchone()
    else:
        with duckdb.connect(str(world.settings.published), read_only=True) as connection:
            counted = connection.execute(f"select count(*), count(distinct ({key})) from {path.stem}").fetchone()
    assert counted is not None
    rows, keys = counted
    assert rows == keys
    if path.stem != "handoff_decisions":
        assert rows > 0, "the small history should reach every model"


def test_the_leads_query_reads_what_recompute_builds() -> None:
    with duckdb.connect() as connection:
        read = connection.get_table_names(leads_query(rule_set().fields))
    built = {path.stem for path in MODELS.glob("*.sql")}
    assert read - {"segment_members"} <= built


def test_every_query_file_is_used() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in MODELS.parent.glob("*.py"))
    for path in [*QUERIES.glob("*.sql"), *MODELS.rglob("*.sql")]:
        assert re.search(rf"[\"']{path.stem}[\"']", sources), f"{path.name} is used by nothing"
