"""sources.yaml: what is accepted, and that every fault is told at once, with its line and without its secrets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rules.errors import ConfigurationError
from tasks.clients.sources.config import load_sources
from tests.tasks.pulling import FIELDS

COMPLETE = """
sources:
  - name: crm_contacts
    kind: sql
    url: ${CRM_URL}
    query: select * from contacts where updated_at >= :since
    cursor: updated_at
    into: leads
    columns: {email: mail, name: full_name, company: company_name, industry: industry}
  - name: web_log
    kind: file
    path: /data/access/*.csv
    encoding: cp932
    timezone: Asia/Tokyo
    lookback: 10m
    header: true
    into: events
    constants: {type: page_view}
    columns: {event_id: id, visitor: cookie, occurred_at: ts, url: path}
"""


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_sources(path, FIELDS)
    return [str(problem) for problem in caught.value.problems]


def test_the_documented_example_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "postgresql://reader:hunter2@crm.example/crm")
    path = tmp_path / "sources.yaml"
    path.write_text(COMPLETE, encoding="utf-8")
    crm, web = load_sources(path, FIELDS)
    assert crm.url.get_secret_value() == "postgresql://reader:hunter2@crm.example/crm"
    assert "hunter2" not in repr(crm)
    assert crm.stamp_column == "updated_at"
    assert web.constants == {"event_type": "page_view"}
    assert (web.format, web.encoding, web.lookback) == ("csv", "cp932", timedelta(minutes=10))
    assert (crm.id_space, web.id_space) == ("crm_contacts", "web_log")


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, COMPLETE)
    assert "line 5" in fault
    assert "CRM_URL is not set" in fault


@pytest.mark.parametrize("kind", ["http", "inbox", "sendgrid", "sfa"])
def test_known_kinds_that_are_not_served_are_refused(tmp_path: Path, kind: str) -> None:
    (fault,) = faults(tmp_path, f"sources:\n  - {{name: a, kind: {kind}, into: leads}}\n")
    assert "not served by this version; served: sql, file" in fault


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = """
sources:
  - name: Web
    kind: file
    path: /data/x.bin
    encoding: cp923
    timezone: Tokyo
    date_format: "%Q"
    into: events
    constants: {type: PageView}
    columns: {ocurred_at: ts, visitor: cookie}
    values: {url: {a: b}}
  - name: crm
    kind: sql
    url: sqlite:///x.db
    query: select * from contacts
    cursor: updated_at
    lookback: soon
    header: true
    into: leads
    columns: {score: points, mail: mail}
    constants: {consent: {basis: guess, evidence: none, mail_kind: sms}}
  - name: crm
    kind: file
    path: deals.csv
    header: false
    into: deals
    columns: {status: state, attributes.size: size}
"""
    told = "\n".join(faults(tmp_path, text))
    for expected in (
        "line 3: a source's name is a lower-case word",
        "line 5: the format cannot be told from the path",
        "line 6: an unknown encoding; received: 'cp923'",
        "did you mean 'cp932'?",
        "line 7: an unknown time zone",
        "line 8: not a format of stamps",
        "line 10: an event type is a lower-case name",
        "line 11: events have no column 'ocurred_at'",
        "did you mean 'occurred_at'?",
        "line 11: events need occurred_at",
        "line 12: values are given for 'url', which 'columns' does not map",
        "line 16: the query does not use :since",
        "line 18: not a span of time",
        "line 19: 'header' belongs to the kind 'file'",
        "line 21: leads have no column 'score'",
        "it is kept by the engine",
        "did you mean 'email'?",
        "line 22: no consent basis is called so",
        "line 22: no consent mail kind is called so",
        "line 23: two sources have one name",
        "line 26: a file without a header needs names",
        "line 28: deals need deal_id",
        "line 28: deals need occurred_at",
        "line 28: deals need email or external_id",
    ):
        assert expected in told


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "sources:\n  - {name: a, kind: file, into: leads, paht: x.csv}\n")
    assert "did you mean 'path'?" in fault


def test_a_url_that_cannot_be_read_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "hunter2 is not a url")
    (fault,) = faults(tmp_path, COMPLETE)
    assert "hunter2" not in fault
    assert "SQLAlchemy" in fault


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.yaml: the file is missing; create it with 'sources: \[\]'"):
        load_sources(tmp_path / "sources.yaml", FIELDS)


def test_no_sources_are_fine(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("sources: []\n", encoding="utf-8")
    assert load_sources(tmp_path / "sources.yaml", FIELDS) == ()


def test_formats_of_events_have_columns_of_their_own(tmp_path: Path) -> None:
    text = (
        "sources:\n  - {name: a, kind: file, path: a.log, into: events, columns: {visitor: ip, properties.x: status}}\n"
    )
    (fault,) = faults(tmp_path, text)
    assert "access_log has no column 'ip'" in fault
