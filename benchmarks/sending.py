"""How long it takes to decide on a mail for each of many leads and to hand all of them to a provider that says yes.

An issue of the guide's newsletter goes to everybody; or everybody has just downloaded a document, for which the guide's
rules enrol a lead for three mails: one goes, one is superseded, one is due later.

The floor serialises the same bodies, signs one token a lead, inserts as many ledger rows in bulk, and posts over one
kept-alive connection. Ours decides, claims, renders, delivers and records, deciding in a process of its own, since each
part's peak of memory is to be known. Beside them some of the mails go one a request, made by the classes of SendGrid's
library and sent by its own client. The server answers 202 and looks at nothing; each run is a process of its own::

    python -m benchmarks.sending --occasion newsletter --mails 100000
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import orjson
from itsdangerous import URLSafeSerializer
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Header, Mail

from rules.loader import load_rules
from rules.models import RuleSet
from settings import Settings
from tasks.send import deliver_sends, plan_sends
from warehouse.connection import check_instant, open_ledger, open_warehouse
from warehouse.recompute import recompute

AS_OF = datetime(2026, 4, 14, 1, tzinfo=UTC)
"""A Tuesday at ten, when the guide's newsletter goes."""
YESTERDAY = AS_OF - timedelta(days=1)
OCCASIONS = ("newsletter", "downloads")
BATCH = 1_000
MEMORY_LIMITS = {"decide": "650MB", "deliver": "450MB"}
"""What DuckDB may hold in each part; we hold 300 MB beside it."""
ONE_BY_ONE = 1_000
"""Mails that go one a request."""
_LEADS = """
insert into lead_records by name
select
    md5(concat('lead', i)) as record_id, 'crm' as source, concat('lead', i, '@example.com') as email,
    $at as occurred_at, $at as received_at,
    map {
        'name': concat('山田', i), 'company': concat('株式会社', i), 'title': '営業部長', 'industry': '製造業'
    } as attributes
from range($mails) as leads(i)
"""
_CONSENTS = """
insert into consent_records by name
select
    md5(concat('consent', i)) as record_id, 'crm' as source, concat('lead', i, '@example.com') as email,
    'marketing' as mail_kind, true as is_granted, 'opt_in_form' as basis, $at as occurred_at, $at as received_at
from range($mails) as leads(i)
"""
_DOWNLOADS = """
insert into events by name
select
    md5(concat('download', i))::uuid as event_id, 'web' as source, 'document_download' as event_type,
    $at as occurred_at, $at as received_at, concat('lead', i, '@example.com') as email, 'guide' as asset,
    map {}::map(varchar, varchar) as properties
from range($mails) as leads(i)
"""


@dataclass(frozen=True)
class Sending:
    """One run: its seconds, those of its parts, and the most memory it and they held in bytes."""

    seconds: float
    parts: dict[str, float]
    peak_bytes: int
    mails: int
    part_peaks: dict[str, int] = field(default_factory=dict)

    @property
    def us_a_mail(self) -> float:
        """Microseconds a mail."""
        return self.seconds / self.mails * 1e6


def settings_for(home: Path, port: int, part: str) -> Settings:
    """Settings whose mails go to the null server."""
    values = {"sendgrid_host": f"http://127.0.0.1:{port}", "sendgrid_api_key": "SG.none", "secret_key": "bench"}
    return Settings.model_validate({"home": home, "memory_limit": MEMORY_LIMITS[part], **values})


def bench_rules(occasion: str) -> RuleSet:
    """The guide's rules, which act on all there is; with its newsletter, or without."""
    guide = load_rules(Path(__file__).parents[1] / "rules" / "guide")
    kept = guide.newsletters if occasion == "newsletter" else ()
    changed = {"active_from": YESTERDAY, "newsletters": kept, "version": f"{guide.version}-{occasion}"}
    return guide.model_copy(update=changed)


def home_of(folder: Path, occasion: str, mails: int) -> Path:
    """Where so many mails of an occasion are measured."""
    return folder / f"{occasion}_{mails}"


def make_home(folder: Path, occasion: str, mails: int) -> Path:
    """Make a home in which so many leads are to be mailed, and nothing is decided yet."""
    home = home_of(folder, occasion, mails)
    settings = Settings(home=home)
    if not settings.warehouse.exists():
        with open_warehouse(settings) as connection:
            for statement in (_LEADS, _CONSENTS) if occasion == "newsletter" else (_LEADS, _CONSENTS, _DOWNLOADS):
                connection.execute(statement, {"mails": mails, "at": AS_OF - timedelta(minutes=5)})
    rules = bench_rules(occasion)
    with open_warehouse(settings) as connection:
        check_instant(connection, "recompute", AS_OF)
        recompute(connection, rules, AS_OF, "http://127.0.0.1:8787")
    for path in settings.ledger.parent.glob(f"{settings.ledger.name}*"):  # and its log, if a run was killed
        path.unlink()
    with open_ledger(settings) as ledger:  # as a run of the day before left it, which knew the newsletter
        for one in rules.newsletters:
            ledger.execute("insert into activations values (?, ?)", [f"newsletter {one.id}", YESTERDAY])
    return home


@contextmanager
def null_server() -> Iterator[int]:
    """Run the null server. Yields its port."""
    command = [sys.executable, "-m", "benchmarks.null_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()


def run_decide(home: Path, occasion: str, port: int) -> Sending:
    """Decide on everything."""
    reports: list[float] = []
    started = time.perf_counter()
    decisions = plan_sends(
        settings_for(home, port, "decide"), bench_rules(occasion), AS_OF, lambda _: reports.append(time.perf_counter())
    )
    ended = time.perf_counter()
    enrolled = reports[0]  # the first report comes when all leads are
    parts = {"enrol": enrolled - started, "decide": ended - enrolled}
    return Sending(ended - started, parts, _peak(), decisions["sent"])


def run_deliver(home: Path, occasion: str, port: int) -> Sending:
    """Deliver what was decided."""
    started = time.perf_counter()
    counts = deliver_sends(settings_for(home, port, "deliver"), bench_rules(occasion), AS_OF, is_confirmed=True)
    return Sending(time.perf_counter() - started, {}, _peak(), counts["accepted"])


def run_helper(home: Path, _occasion: str, port: int) -> Sending:
    """Send some of the mails by the classes and the client of SendGrid's library, one a request."""
    with duckdb.connect(str(home / "ledger.duckdb"), read_only=True) as ledger:
        rows = ledger.execute(f"select send_id, email from sends order by send_id limit {ONE_BY_ONE}").fetchall()
    client = SendGridAPIClient(api_key="SG.none", host=f"http://127.0.0.1:{port}")
    signer = URLSafeSerializer("bench", salt="unsubscribe")
    text, html = "本文" * 400, "本文" * 900
    started = time.perf_counter()
    for send_id, email in rows:
        link = f"http://127.0.0.1:8787/u/{signer.dumps(send_id)}"
        mail = Mail("marketing@example.com", email, "件名", text, html)
        mail.add_custom_arg(CustomArg("nurture_send_id", send_id))
        mail.add_header(Header("List-Unsubscribe", f"<{link}>"))
        mail.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        if client.send(mail).status_code != 202:
            raise AssertionError("not taken")
    return Sending(time.perf_counter() - started, {}, _peak(), len(rows))


def run_floor(home: Path, _occasion: str, port: int) -> Sending:
    """Serialise, sign, insert and post as many mails as ours did, whose ledger stands in the home."""
    with duckdb.connect(str(home / "ledger.duckdb"), read_only=True) as ledger:
        ids = [send_id for (send_id,) in ledger.execute("select send_id from sends order by send_id").fetchall()]
        sends = ledger.sql("select * exclude (send_number) from sends").to_arrow_table()
    path = home / "floor.duckdb"
    path.unlink(missing_ok=True)
    signer = URLSafeSerializer("bench", salt="unsubscribe")
    body = {
        "subject": "件名",
        "content": [{"type": "text/plain", "value": "本文" * 400}, {"type": "text/html", "value": "本文" * 900}],
    }
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for first in range(0, len(ids), BATCH):
        people = []
        for number, send_id in enumerate(ids[first : first + BATCH], first):
            link = f"http://127.0.0.1:8787/u/{signer.dumps(send_id)}"
            people.append(
                {
                    "to": [{"email": f"lead{number}@example.com"}],
                    "substitutions": {
                        "[l-0123456789ab]": link, "[t-0123456789ab-name]": f"山田{number}",
                        "[h-0123456789ab-name]": f"山田{number}", "[t-0123456789ab-company]": f"株式会社{number}",
                        "[h-0123456789ab-company]": f"株式会社{number}",
                    },
                    "custom_args": {"nurture_send_id": send_id},
                    "headers": {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
                }
            )  # fmt: skip
        connection.request("POST", "/v3/mail/send", orjson.dumps({**body, "personalizations": people}))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:
            raise AssertionError(answer.status)
    with duckdb.connect(str(path)) as floor:
        floor.register("rows", sends)
        floor.execute("create table sends as from rows")
    return Sending(time.perf_counter() - started, {}, _peak(), len(ids))


RUNS = {"decide": run_decide, "deliver": run_deliver, "floor": run_floor, "helper": run_helper}


def measure_sending(folder: Path, occasion: str, mails: int) -> tuple[Sending, Sending, Sending]:
    """Measure so many mails. Returns (floor, ours, some by the library's helper classes)."""
    options = ("--folder", str(folder), "--occasion", occasion, "--mails", str(mails))
    # in a process of its own, since a child's peak of memory begins with its parent's
    _in_process("home", *options)
    with null_server() as port:
        decide, deliver, floor, helper = (
            Sending(**json.loads(_in_process(name, *options, "--port", str(port)))) for name in RUNS
        )
    if deliver.mails != decide.mails:
        raise AssertionError(f"{decide.mails:,} mails were decided, and {deliver.mails:,} delivered")
    ours = Sending(
        decide.seconds + deliver.seconds,
        {**decide.parts, "deliver": deliver.seconds},
        max(decide.peak_bytes, deliver.peak_bytes),
        deliver.mails,
        {**dict.fromkeys(decide.parts, decide.peak_bytes), "deliver": deliver.peak_bytes},
    )
    return floor, ours, helper


def _in_process(name: str, *options: str) -> str:
    command = [sys.executable, "-m", "benchmarks.sending", "--run", name, *options]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.splitlines()[-1]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure, or with ``--run`` be one of the processes that are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--occasion", choices=OCCASIONS, default=OCCASIONS[0])
    parser.add_argument("--mails", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("var/bench/sending"))
    parser.add_argument("--run", choices=["home", *RUNS])
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    if options.run == "home":
        sys.stdout.write(f"{make_home(options.folder, options.occasion, options.mails)}\n")
        return
    if options.run:
        home = home_of(options.folder, options.occasion, options.mails)
        measured = RUNS[options.run](home, options.occasion, options.port)
        sys.stdout.write(json.dumps(asdict(measured)) + "\n")
        return
    for measured in measure_sending(options.folder, options.occasion, options.mails):
        sys.stdout.write(f"{measured}\n")


if __name__ == "__main__":
    main()
