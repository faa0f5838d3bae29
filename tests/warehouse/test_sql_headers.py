"""Every model says what a row is, its key and what it is made from; the key and the sources are true."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import sqlglot

from rules.models import Delivery
from tasks.review.run import find_in_period, keep_review
from tests.facts import START, add_consent, add_event, add_lead, add_suppression, at
from tests.rule_sets import CASE_STUDY, DOWNLOAD, PRICE_VIEW, rich_rule_set, step
from tests.world import World, stand_in
from warehouse import lead_models
from warehouse.connection import connect, open_warehouse
from warehouse.derivation import MODELS, Derivation
from warehouse.leads import leads_query
from warehouse.publish import publish

QUERIES = MODELS.parent / "queries"
SELECTIONS = (
    "enrol", "decide", "claim", "handoff_causes", "undecided", "leads_at_hand", "mails_at_hand", "leaving", "enter_runs", "end_runs", "run_moves",
    "enrol_runs", "enrol_newsletters", "sample_figures", "assign_variants", "unknown_sends",
    "sendable", "held_sends", "fresh_blocks",
    "review_metrics", "review_rules", "review_points", "review_crossings", "review_thresholds", "review_segments",
    "review_mail_load", "review_steps", "review_returns", "review_return_segments",
)  # fmt: skip
HEADERED = [*sorted(MODELS.rglob("*.sql")), *(QUERIES / f"{name}.sql" for name in SELECTIONS)]
BUILT = {path.stem: path for path in [*MODELS.glob("*.sql"), *MODELS.glob("steps/*.sql")]}
ONLY_WHERE_MUCH_IS_KNOWN = {
    "active_people", "changed_people", "events_of_losing_leads", "losing_leads", "noted_mails", "rebound_visits",
    "recognised_mails", "redirected_mails", "rejudged_clicks", "rejudged_mails",
}  # fmt: skip
"""The models that a first derivation has no use for."""
_PARAMETER = re.compile(r"(?<!\w)\$[a-z_]+")
_TABLE_MACROS = {"merged_spans"}


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


def tables_read(query: sqlglot.exp.Expression) -> set[str]:
    """The tables a query reads, also those it names to a macro."""
    own = {common.alias for common in query.find_all(sqlglot.exp.CTE)}
    read = set()
    for table in query.find_all(sqlglot.exp.Table):
        if isinstance(table.this, sqlglot.exp.Anonymous) and table.this.name in _TABLE_MACROS:
            read |= {literal.name for literal in table.this.find_all(sqlglot.exp.Literal)}
        elif table.db or table.name not in own:
            read.add(table.name)
    return read


@pytest.mark.parametrize("path", HEADERED, ids=lambda path: str(path.relative_to(MODELS.parent)))
def test_a_header_names_the_tables_the_query_reads(path: Path) -> None:
    query = sqlglot.parse_one(_PARAMETER.sub("null", path.read_text(encoding="utf-8")), dialect="duckdb")
    assert tables_read(query) == {name.strip() for name in header(path)["from"].split(",")}


@dataclass
class Seen:
    """What was seen of the tables that runs made, each looked at as soon as it was there."""

    made: set[str] = field(default_factory=set)
    rows: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """The most rows a model made, by what the run was: first, full or incremental."""
    repeated: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The runs in which a model's key was not one."""


def watching(seen: Seen) -> type[Derivation]:
    """Derivations that check the key of every model that they build."""

    class Watched(Derivation):
        def build(self, *names: str, values: Mapping[str, object] | None = None) -> None:
            for name in names:
                super().build(name, values=values)
                self._look_at(name, f"temp.{name}")

        def build_kept(self, name: str, key: str, replaced: str) -> None:
            super().build_kept(name, key, replaced)
            self._look_at(name, self.main(name))

        def make(
            self, name: str, query: str, *, kind: str = "table", values: Mapping[str, object] | None = None
        ) -> None:
            super().make(name, query, kind=kind, values=values)
            seen.made.add(name)

        def _look_at(self, name: str, table: str) -> None:
            run = "first" if self.is_first else "full" if self.is_full else "incremental"
            rows, keys = count_keys(self.connection, table, header(BUILT[name])["key"])
            seen.rows[name][run] = max(rows, seen.rows[name].get(run, 0))
            if rows != keys:
                seen.repeated[name].add(run)

    return Watched


def count_keys(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> tuple[int, int]:
    """How many rows a table has, and how many keys."""
    counted = connection.execute(f"select count(*), count(distinct ({key})) from {table}").fetchone()
    assert counted is not None
    return counted


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


STEPS = (
    step("thanks", DOWNLOAD, segment="everyone", cta=CASE_STUDY),
    step("later", PRICE_VIEW, segment="everyone", delay=timedelta(days=1)),
)
DELIVERY = Delivery(block_domains=("company1.example.com",), holdout_share=1e-9)
RULES = rich_rule_set(steps=STEPS, active_from=START, delivery=DELIVERY)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, seen: Seen) -> Iterator[World]:
    """Twelve leads of six companies; in the end the rules change, and all are derived anew in three parts."""
    home = tmp_path_factory.mktemp("home")
    with stand_in(home) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.recompute.Derivation", watching(seen))
        made = World(home, server)
        made.facts(_what_the_leads_did)
        made.send(RULES, at(1, hours=1))
        made.facts(_what_comes_late)
        made.hand_off(RULES, at(3))
        made.pull_provider_events(at(3.5))
        made.send(RULES, at(4))
        made.pull_provider_events(at(4.2))
        _what_sales_does(made)
        made.hand_off(RULES, at(4.5))
        made.facts(_what_changes_whose_it_is)
        made.recompute(RULES, at(6))
        made.recompute(RULES, at(12))  # windows close, points decay
        publish(made.settings, at(12))
        findings = find_in_period(made.settings, RULES, "week", at(12))
        keep_review(made.settings, RULES, "week", findings, at(12))
        publish(made.settings, at(12))
        patch.setattr(lead_models, "LEADS_AT_A_TIME", 5)
        made.recompute(rich_rule_set(steps=STEPS, active_from=START, delivery=DELIVERY, minimum_score=-5), at(12))
        yield made


def _what_the_leads_did(connection: duckdb.DuckDBPyConnection) -> None:
    for number in range(12):
        domain = "free.example.com" if number == 0 else f"company{number // 2}.example.com"
        mail = f"lead{number}@{domain}"
        for day in (0, 3):
            add_lead(
                connection, mail, at(day), title="部長", industry="製造業" if day else "IT", topics="a;b",
                company=f"株式会社{number // 2}", **({"corporate_number": "7000012050002"} if number == 2 else {}),
            )  # fmt: skip
        add_consent(connection, mail)
        browser, hours = f"v{number // 2}", number % 2 * 6
        add_event(connection, "document_download", at(1, hours), email=mail, visitor=browser, asset="case-1")
        for minute in range(0, 100, 7):
            add_event(connection, "page_view", at(2, minutes=minute), visitor=browser, url="/price")
        add_event(connection, "consultation_request", at(2, hours=number), email=mail)
        if number % 3 == 0:
            add_suppression(connection, mail, at(4))
    connection.execute(
        "insert into deal_records values"
        " ('d1', 'crm', 'D', null, 'lead1@company0.example.com', 'open', 1, ?, ?, map {}),"
        " ('d2', 'crm', 'D', null, 'lead1@company0.example.com', 'won', 2, ?, ?, map {})",
        [at(3), at(3), at(5), at(5)],
    )


def _what_comes_late(connection: duckdb.DuckDBPyConnection) -> None:
    """Mail events that name a send alone, or somebody unknown; and an opt-out."""
    add_event(connection, "mail_open", at(2), send_id="s1")
    add_event(connection, "mail_open", at(2), send_id="s2", email="stranger@company5.example.com")
    add_event(connection, "mail_open", at(2), send_id="s3", external_id="crm:stranger")
    add_event(connection, "mail_open", at(2), send_id="s4", email="lead10@company5.example.com")
    add_event(connection, "mail_unsubscribe", at(2), email="lead5@company2.example.com")
    add_event(connection, "link_visit", at(2), visitor="w1", send_id="s4")
    for kind, send_id in (("mail_processed", "s7"), ("mail_bounce", None)):
        add_event(connection, kind, at(2), send_id=send_id, email="lead3@company1.example.com", **{"smtp-id": "<m@x>"})
    for link in ("a", "b"):
        add_event(connection, "mail_click", at(2), send_id="s1", url=f"https://x.test/{link}", useragent="curl/8.0")
        add_event(connection, "mail_click", at(2), send_id="s6", email="lead11@company5.example.com", url=f"/{link}")


def _what_sales_does(world: World) -> None:
    """A call, and a correction of what has changed here as well."""
    called = at(4, hours=2)
    with closing(sqlite3.connect(world.home / "sfa.db")) as sfa, sfa:
        sfa.execute("update handoffs set status = 'contacted', updated_at = ?", [called.isoformat()])
        sfa.execute("update leads set company = '株式会社営業', updated_at = ?", [called.isoformat()])
    world.facts(lambda connection: add_lead(connection, "lead1@company0.example.com", called, company="株式会社こちら"))


def _what_changes_whose_it_is(connection: duckdb.DuckDBPyConnection) -> None:
    """Whom a send went to, a stranger's name, whose a browser was in between, two that are one, and a delivery."""
    add_event(connection, "mail_delivered", at(2), send_id="s6", email="lead11@company5.example.com", received_at=at(5))
    add_event(
        connection, "mail_processed", at(1.5), send_id="s1", email="lead4@company2.example.com", received_at=at(5)
    )
    add_lead(connection, "stranger@company5.example.com", at(5), company="株式会社5")
    add_event(connection, "form_submit", at(1.5), visitor="v3", email="lead6@company3.example.com", received_at=at(5))
    connection.execute(
        "insert into send_records values ('s4', 'lead10@company5.example.com', 'guide', 'thanks', 'default', 1, ?, ?)",
        [at(1), at(5)],
    )
    for record, mail in (("x1", "lead8@company4.example.com"), ("x2", "lead9@company4.example.com")):
        connection.execute(
            "insert into lead_records values (?, 'crm', 'crm:7', ?, null, ?, ?, map {}, null)",
            [record, mail, at(5), at(5)],
        )


@pytest.mark.parametrize("name", sorted(BUILT))
def test_a_key_is_one_in_whatever_run_a_model_is_built(name: str, world: World, seen: Seen) -> None:
    assert not seen.repeated[name], f"the key of {name} is not one"
    runs = seen.rows[name]
    assert any(runs.values()), f"{name} was not built, or never had a row"
    assert "incremental" in runs, f"{name} was not built in an incremental run"
    if name not in ONLY_WHERE_MUCH_IS_KNOWN:
        assert runs.keys() & {"first", "full"}, f"{name} was not built in a full run"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.sql")), ids=lambda path: path.stem)
def test_a_key_is_one_in_what_is_kept(path: Path, world: World) -> None:
    with open_warehouse(world.settings) as connection:
        rows, keys = count_keys(connection, path.stem, header(path)["key"])
    assert rows == keys
    assert rows > 0, "the small history should reach every model"


@pytest.mark.parametrize("path", sorted(MODELS.glob("published/*.sql")), ids=lambda path: path.stem)
def test_a_key_is_one_in_what_is_published(path: Path, world: World) -> None:
    with duckdb.connect(str(world.settings.published), read_only=True) as connection:
        rows, keys = count_keys(connection, path.stem, header(path)["key"])
    assert rows == keys
    if path.stem != "handoff_decisions":
        assert rows > 0, "the small history should reach every model"


def test_the_leads_query_reads_what_a_run_makes(world: World, seen: Seen) -> None:
    with connect(Path(":memory:"), world.settings) as connection:
        read = connection.get_table_names(_PARAMETER.sub("null", leads_query(RULES.fields)))
    assert read <= seen.made


def test_every_query_file_is_used() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in MODELS.parent.glob("*.py"))
    for path in [*QUERIES.glob("*.sql"), *MODELS.rglob("*.sql")]:
        assert re.search(rf"[\"']{path.stem}[\"']", sources), f"{path.name} is used by nothing"
