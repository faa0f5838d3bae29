"""Mails that are only looked at: pages for a lead, tests to an address of one's own, and nothing counted anywhere."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner, Result

from cli import app
from rules.errors import ConfigurationError
from rules.loader import load_rules
from rules.models import RuleSet, Template
from sandbox.sendgrid import Fault, StandIn
from settings import Settings
from tasks.clients.sources.config import load_sources
from tasks.clients.sources.sendgrid_events import read_sendgrid_events
from tasks.errors import RunError
from tasks.preview import known_lead, made_up_lead, preview, write_previews
from tasks.trial import send_tests
from tests.company import REPOSITORY, SmallCompany
from tests.facts import START, add_consent, add_lead, at
from tests.rule_sets import DOWNLOAD, rule_set, step
from tests.world import World, stand_in

GOLDEN = Path(__file__).parent / "golden"
RULE_SETS = ("guide", "b2b")
RULES = rule_set(
    steps=(step("thanks", DOWNLOAD, segment="everyone"), step("off", DOWNLOAD, segment="everyone", is_enabled=False)),
    active_from=START,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with stand_in(tmp_path) as server:
        world = World(tmp_path, server)

        def add(connection: Any) -> None:
            add_lead(connection, "hanako@example.com", name="鈴木<花子>", company="鈴木工業")
            add_consent(connection, "hanako@example.com")

        world.facts(add)
        world.recompute(RULES, at(1))
        yield world


def parts_of(page: str) -> str:
    """The HTML mail in a preview's page."""
    found = re.search(r'srcdoc="([^"]*)"', page)
    assert found is not None
    return html.unescape(found.group(1))


@pytest.mark.parametrize("name", RULE_SETS)
def test_the_mails_that_ship_look_as_they_did(name: str) -> None:
    """Byte for byte. Renew after a change that is meant: ``NURTURE_RENEW_GOLDEN=1 pytest tests/tasks/test_preview.py``."""
    rules = load_rules(REPOSITORY / "rules" / name)
    lead = made_up_lead(rules.fields)
    folder = GOLDEN / name
    rendered = {}
    for one in rules.steps:
        mail = preview(rules, one, "https://mail.example.com", lead)
        headers = {"From": mail.sender, "To": mail.to, "Subject": mail.subject, **mail.headers}
        lines = "".join(f"{header}: {value}\n" for header, value in headers.items())
        rendered[f"{one.scenario}-{one.step}.txt"] = f"{lines}\n{mail.text}\n{'=' * 20}\n{mail.html}"
    if os.environ.get("NURTURE_RENEW_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file, content in rendered.items():
            (folder / file).write_bytes(content.encode())
    assert {path.name for path in folder.iterdir()} == set(rendered)
    for file, content in rendered.items():
        assert (folder / file).read_bytes() == content.encode(), file


@pytest.mark.parametrize("name", RULE_SETS)
def test_no_mail_that_ships_leaves_a_tag_or_a_field_unfilled(name: str) -> None:
    rules = load_rules(REPOSITORY / "rules" / name)
    for one in rules.steps:
        mail = preview(rules, one, "https://mail.example.com", made_up_lead(rules.fields))
        shown = mail.subject + mail.text + mail.html
        assert not re.search(r"\[[thkv]-[0-9a-f]{12}|\{\{|\}\}", shown)
        assert mail.headers["List-Unsubscribe"] == "<https://mail.example.com/u/preview>"
        for link in re.findall(r"https://www\.example\.com/(?!contact)[^\s\"<]*", mail.text):
            assert f"utm_campaign={one.scenario}&utm_content={one.step}&nl=preview" in link


def test_pages_show_each_mail_for_a_lead_and_nothing_is_touched(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.home.rglob("*") if path.is_file()}
    index = write_previews(world.settings, RULES, world.home / "out", None, " Hanako@Example.com")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path.name for path in (world.home / "out").iterdir()} == {
        "index.html",
        "guide~thanks.html",
        "guide~off.html",
    }
    listed = index.read_text(encoding="utf-8")
    assert "件名 thanks" in listed
    assert "資料" in listed
    assert listed.count("無効") >= 1
    page = (world.home / "out" / "guide~thanks.html").read_text(encoding="utf-8")
    assert "鈴木工業 鈴木&lt;花子&gt; 様" in parts_of(page)
    assert "鈴木工業 鈴木&lt;花子&gt; 様\nhttp://127.0.0.1:8787/u/preview" in page, "the text part"
    assert "List-Unsubscribe-Post" in page
    assert world.accepted() == []


def test_mails_whose_ids_join_alike_have_a_page_each(tmp_path: Path) -> None:
    steps = [step(name, DOWNLOAD, scenario=scenario) for scenario, name in (("a-b", "c"), ("a", "b-c"))]
    write_previews(Settings(home=tmp_path / "none"), rule_set(steps=tuple(steps)), tmp_path / "out", None, None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"index.html", "a-b~c.html", "a~b-c.html"}


def test_a_made_up_lead_needs_no_warehouse(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "none")
    write_previews(settings, RULES, tmp_path / "out", "guide/thanks", None)
    page = (tmp_path / "out" / "guide~thanks.html").read_text(encoding="utf-8")
    assert "株式会社見本製作所 見本 太郎 様" in parts_of(page)
    assert not settings.home.exists()
    assert not (tmp_path / "out" / "guide~off.html").exists()


def test_a_step_or_a_lead_that_is_not_there_is_told(world: World) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'thanks'"):
        write_previews(world.settings, RULES, world.home / "out", "thank", None)
    with pytest.raises(RunError, match="no lead is known by this address") as raised:
        known_lead(world.settings, "nobody@example.com")
    assert "nobody@" not in str(raised.value)


def test_a_mail_that_cannot_be_rendered_is_named(world: World) -> None:
    (template,) = (one for one in RULES.templates if one.id == RULES.steps[0].template)
    broken = replace_template(RULES, template.model_copy(update={"html": "{{ 1 // 0 }}"}))
    with pytest.raises(RunError, match=f"mails/{template.id} cannot be rendered: .*; correct its files"):
        write_previews(world.settings, broken, world.home / "out", "guide/thanks", None)


def replace_template(rules: RuleSet, template: Template) -> RuleSet:
    others = tuple(one for one in rules.templates if one.id != template.id)
    return rules.model_copy(update={"templates": (*others, template)})


def test_a_test_mail_is_marked_and_counts_nowhere(world: World) -> None:
    tables = ("sends", "send_decisions", "attempts", "enrolments")
    before = [world.ledger(f"select count(*) from {table}") for table in tables]
    assert send_tests(world.settings, RULES, "me@example.com", None, "hanako@example.com") == 1
    (mail,) = world.stand_in.mailbox.mails
    assert (mail.to, mail.subject) == ("me@example.com", "[テスト] 件名 thanks")
    assert "鈴木工業 鈴木<花子> 様\nhttp://127.0.0.1:8787/u/preview" in mail.text
    assert mail.send_id is None
    assert "hanako" not in json.dumps([*mail.custom_args.items(), mail.categories, dict(mail.headers)])
    assert [world.ledger(f"select count(*) from {table}") for table in tables] == before
    assert world.ledger("select count(*) from sends") == [(0,)]
    assert send_tests(world.settings, RULES, "me@example.com", "off", None) == 1, (
        "one that is switched off, if asked for"
    )


def test_what_is_read_of_a_test_mail_is_no_behaviour_of_a_lead(tmp_path: Path) -> None:
    """The tester may be a lead too: opens and clicks of tests count nowhere, and an opt-out holds all the same."""
    kinds = ("processed", "delivered", "open", "click", "unsubscribe", "spamreport", "bounce")
    told = [
        {"event": kind, "email": "me@example.com", "timestamp": 1_750_000_000, "nurture_test": "1"} for kind in kinds
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in told))
    config = f"sources: [{{name: told, kind: file, path: {path}, format: sendgrid_events, into: events}}]"
    (tmp_path / "sources.yaml").write_text(config)
    (source,) = load_sources(tmp_path / "sources.yaml", RULES.fields)
    (batch,) = read_sendgrid_events(source, LocalFileSystem(), str(path))
    assert batch.columns["event_type"].to_pylist() == ["mail_unsubscribe", "mail_spam_report", "mail_bounce"]
    assert batch.rejects == []


def test_tests_go_only_to_addresses_that_may_get_them(world: World) -> None:
    values = {
        "home": world.home,
        "sendgrid_api_key": "SG.test",
        "secret_key": "s",
        "sendgrid_host": "https://sg.example",
        "public_url": "https://mail.example.com",
    }
    senders = tuple(sender.model_copy(update={"email": "us@ours.jp"}) for sender in RULES.senders)
    rules = RULES.model_copy(update={"senders": senders})
    with pytest.raises(ConfigurationError, match="delivery is off"):
        send_tests(Settings(**values, delivery="off"), RULES, "me@example.com", None, None)
    for delivery in ("allowlist", "live"):
        settings = Settings(**values, delivery=delivery, allowlist="you@example.com, @mine.example")
        with pytest.raises(ConfigurationError, match="NURTURE_ALLOWLIST") as raised:
            send_tests(settings, rules, "me@example.com", None, None)
        assert "me@" not in str(raised.value)
    for typed in ("me@localhost", "me＠example.com"):
        with pytest.raises(ConfigurationError, match="not a mail address") as raised:
            send_tests(world.settings, RULES, typed, None, None)
        assert typed not in str(raised.value)
    assert world.accepted() == []


def test_a_test_that_is_not_taken_fails(world: World) -> None:
    world.stand_in.faults.set([Fault("status", status=401)])
    with pytest.raises(RunError, match="test of thanks was not taken"):
        send_tests(world.settings, RULES, "me@example.com", None, None)


def command(company: SmallCompany, *arguments: str, server: StandIn | None = None, **values: str) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(app, arguments, env={**company.environment(server), **values})


def test_the_commands(tmp_path: Path) -> None:
    with stand_in(tmp_path) as server:
        company = SmallCompany(tmp_path, active_from=START)
        done = command(company, "preview", "--out", str(tmp_path / "pages"), "--step", "consultation_offer")
        assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "pages" / "index.html")), done.output
        code, out, error = company.run("send", "--test-to", "me@example.com", "--json", stand_in=server)
        assert code == 0, error
        count = json.loads(out)["test_mails"]
        assert count == len(server.mailbox.mails) == len(load_rules(company.rules).steps)
        assert all(mail.subject.startswith("[テスト] ") for mail in server.mailbox.mails)
        for options, wanted in (
            (("--step", "x"), "give --test-to"),
            (("--test-to", "me@example.com", "--confirm"), "leave --as-of and --confirm out"),
            (("--test-to", "me@example.com", "--step", "x"), "no step of this name"),
        ):
            done = command(company, "send", *options, server=server)
            assert done.exit_code == 2
            assert wanted in done.stderr
        assert not (tmp_path / "ledger.duckdb").exists()


def test_check_warns_of_mails_that_would_reach_people_and_should_not_yet(tmp_path: Path) -> None:
    company = SmallCompany(tmp_path, active_from=None)
    live = {"NURTURE_DELIVERY": "live", "NURTURE_SENDGRID_API_KEY": "SG.x", "NURTURE_SECRET_KEY": "s"}
    done = command(company, "check", **live)
    assert done.exit_code == 0
    assert re.search(r"warning: NURTURE_PUBLIC_URL: .*https", done.stderr)
    assert done.stderr.count("NURTURE_PUBLIC_URL") == 1
    assert "warning: senders.yaml: mails would come from a made-up company" in done.stderr
    done = command(company, "check", **live, NURTURE_PUBLIC_URL="https://mail.example.com")
    assert "NURTURE_PUBLIC_URL" not in done.stderr


def test_no_lead_that_may_be_real_is_needed_to_fill_every_field() -> None:
    rules = load_rules(REPOSITORY / "rules" / "guide")
    lead = made_up_lead(rules.fields)
    assert set(lead) == {field.id for field in rules.fields if not field.system}
    assert all(value not in (None, "", []) for value in lead.values())
    assert str(lead["email"]).endswith("@example.com")
