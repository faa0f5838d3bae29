"""A small company's files, as sources, for tests that run the real flows or the real command."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from pathlib import Path

from sandbox.sendgrid import StandIn

REPOSITORY = Path(__file__).resolve().parent.parent

SOURCES = """\
sources:
  - name: contacts
    kind: file
    path: {folder}/contacts.csv
    id_space: crm
    into: leads
    columns:
      external_id: id
      email: mail
      name: name
      company: company
      title: title
      industry: industry
      consent_basis: basis
      occurred_at: updated_at
  - name: behaviour
    kind: file
    path: {folder}/behaviour.csv
    into: events
    columns: {{event_id: id, event_type: type, email: mail, url: path, asset: asset, occurred_at: at}}
  - name: opt_outs
    kind: file
    path: {folder}/opt_outs.csv
    into: suppressions
    constants: {{blocks: marketing, reason: opt_out}}
    columns: {{email: mail, occurred_at: at}}
  - name: mail_events
    kind: file
    path: {home}/sandbox/events.jsonl
    format: sendgrid_events
    into: events
"""

_HEADERS = {
    "contacts": ("id", "mail", "name", "company", "title", "industry", "basis", "updated_at"),
    "behaviour": ("id", "type", "mail", "path", "asset", "at"),
    "opt_outs": ("mail", "at"),
}


class SmallCompany:
    """Files that grow as a company's do, in ``home/company``, and the settings that read them."""

    def __init__(self, home: Path, active_from: datetime | None) -> None:
        self.home = home
        self.folder = home / "company"
        self.folder.mkdir(parents=True)
        (home / "sandbox").mkdir(exist_ok=True)
        (home / "sandbox" / "events.jsonl").touch()
        self._write_sources()
        for name, header in _HEADERS.items():
            self._append(name, [header])
        self.rules = home / "rules"
        shutil.copytree(REPOSITORY / "rules" / "guide", self.rules)
        for name in ("scenarios.yaml", "newsletters.yaml"):  # these stories are those of the sheet
            (self.rules / name).unlink()
        if active_from is not None:
            with (self.rules / "ruleset.yaml").open("a", encoding="utf-8") as file:
                file.write(f"\nactive_from: {active_from.isoformat()}\n")
        self._events = 0

    def copied_to(self, home: Path) -> SmallCompany:
        """The same company with all its files, in another home."""
        shutil.copytree(self.home, home)
        made = copy(self)
        made.home, made.folder, made.rules = home, home / "company", home / "rules"
        made._write_sources()
        return made

    def contact(
        self,
        name: str,
        when: datetime,
        *,
        title: str = "製造部長",
        industry: str = "製造業",
        basis: str = "opt_in_form",
        full_name: str = "",
    ) -> str:
        """A row of the CRM; returns the address."""
        mail, person = f"{name}@example.com", full_name or f"山田{name}"
        self._append("contacts", [(name, mail, person, f"株式会社{name}", title, industry, basis, when.isoformat())])
        return mail

    def event(self, event_type: str, mail: str, when: datetime, *, path: str = "", asset: str = "") -> str:
        """Something a lead did; returns the source's id of it."""
        self._events += 1
        self._append("behaviour", [(f"b{self._events}", event_type, mail, path, asset, when.isoformat())])
        return f"b{self._events}"

    def opt_out(self, mail: str, when: datetime) -> None:
        """Someone who wants no more marketing."""
        self._append("opt_outs", [(mail, when.isoformat())])

    def environment(self, stand_in: StandIn | None) -> dict[str, str]:
        """The NURTURE_* variables of this company; delivery is off without a stand-in."""
        values = {
            "NURTURE_HOME": str(self.home),
            "NURTURE_WAREHOUSE": str(self.home / "warehouse.duckdb"),
            "NURTURE_LEDGER": str(self.home / "ledger.duckdb"),
            "NURTURE_PUBLISHED": str(self.home / "kpi.duckdb"),
            "NURTURE_SFA_URL": f"sqlite:///{self.home / 'sfa.db'}",
            "NURTURE_RULES": str(self.rules),
            "NURTURE_SOURCES": str(self.home / "sources.yaml"),
            "NURTURE_SECRET_KEY": "secret of the tests",
            "NURTURE_SENDGRID_API_KEY": "SG.test",
            "NURTURE_DELIVERY": "off",
        }
        return values if stand_in is None else {**values, "NURTURE_SENDGRID_HOST": stand_in.url}

    def command(self, *arguments: str, stand_in: StandIn | None = None, **variables: str) -> subprocess.Popen[str]:
        """Start the ``nurture`` command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            cwd=REPOSITORY,
            env=without_settings(os.environ) | self.environment(stand_in) | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stand_in: StandIn | None = None, **variables: str) -> tuple[int, str, str]:
        """Run the command to its end, forked with all imported. Returns exit code, standard output, standard error."""
        from tests import forking  # which knows this module

        said = [self.home / "said.out", self.home / "said.err"]
        for file in said:
            file.unlink(missing_ok=True)
        process = forking.start(arguments, self.environment(stand_in) | variables, *said)
        process.join(120)
        if process.exitcode is None:
            process.kill()
        out, error = (file.read_text(encoding="utf-8") for file in said)
        return process.exitcode or 0, out, error

    def _write_sources(self) -> None:
        text = SOURCES.format(folder=self.folder, home=self.home)
        (self.home / "sources.yaml").write_text(text, encoding="utf-8")

    def _append(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        with (self.folder / f"{name}.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(("NURTURE_", "PREFECT_"))}
