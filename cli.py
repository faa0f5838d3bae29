"""The ``nurture`` command. Each subcommand calls one flow or one function; nothing is decided here."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from rules.errors import ConfigurationError

if TYPE_CHECKING:
    from prefect import Flow

    from settings import Settings


class ReviewedPeriod(StrEnum):
    """What ``nurture review`` looks back on."""

    week = "week"
    month = "month"


app = typer.Typer(
    help="B2B e-mail nurturing: pull behaviour, score leads, send scenario mails, hand hot leads to sales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_errors = Console(stderr=True)

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the warehouse, ledger and reports. Default: NURTURE_HOME.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Instant of the run, ISO 8601 with offset, e.g. 2026-04-01T09:00:00+09:00. Default: now."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
StepOption = Annotated[
    str | None, typer.Option("--step", help="Only this step's mail: its id, or scenario/step. Default: all mails.")
]
LeadOption = Annotated[
    str | None,
    typer.Option(
        "--lead", metavar="EMAIL", help="Show the fields of the lead of this address. Default: a made-up one."
    ),
]


@app.command()
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Read settings, sources and rules; print every error at once, and what each A/B test can show. Exit 0 or 2."""
    from rules.loader import check_rules, read_fields
    from tasks.ab_plans import plans_of, problem_of, to_line
    from tasks.acts import mail_client
    from tasks.clients.sources.config import load_sources

    with _errors_told():
        settings = _settings(home)
        rules, problems = check_rules(settings.rules)
        try:
            fields = rules.fields if rules else read_fields(settings.rules)
            # what leads have is not known where the fields cannot be read
            sources = load_sources(settings.sources, fields) if fields is not None else ()
        except ConfigurationError as error:
            problems = [*problems, *error.problems]
        try:
            mail_client(settings, rules)
        except ConfigurationError as error:  # no error: the worker, which sends, may have other settings
            problems = [*problems, *(replace(problem, is_warning=True) for problem in error.problems)]
    plans = plans_of(rules) if rules is not None else []
    problems = [*problems, *(problem for problem in map(problem_of, plans) if problem is not None)]
    errors = [problem for problem in problems if not problem.is_warning]
    if as_json:
        print(json.dumps([asdict(problem) for problem in problems], ensure_ascii=False))
    for problem in problems:
        kind = "warning" if problem.is_warning else "error"
        _errors.print(f"{kind}: {problem}", markup=False, highlight=False, soft_wrap=True)
    if errors:
        raise typer.Exit(2)
    if not as_json and rules is not None:
        print(
            f"ok: rule set {rules.id} ({rules.version}), {len(rules.steps)} mails, {len(rules.segments)} segments, "
            f"{len(sources)} sources; delivery is {settings.effective_delivery}"
        )
        for plan in plans:
            print(to_line(plan))


@app.command()
def pull(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Pull what is new in every source into the warehouse, once."""
    from flows.pull_behavior import pull_behavior

    _run(pull_behavior, as_of, home, as_json)


@app.command()
def recompute(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Derive leads, scores, tiers, stages and segments from facts and rules, once."""
    from flows.recompute_leads import recompute_leads

    _run(recompute_leads, as_of, home, as_json)


@app.command()
def send(
    as_of: AsOfOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm", help="Send although complaints, bounces or a run far larger than any before would stop it."
        ),
    ] = False,
    test_to: Annotated[
        str | None,
        typer.Option(
            "--test-to",
            metavar="ADDRESS",
            help="Send no due mails, but every mail marked as a test to this address, which NURTURE_ALLOWLIST names.",
        ),
    ] = None,
    step: StepOption = None,
    lead: LeadOption = None,
) -> None:
    """Decide which mails are due and deliver each once. Nothing leaves while NURTURE_DELIVERY is off."""
    if test_to is not None:
        if as_of is not None or confirm:
            _fail(2, "--test-to: a test is sent now and by itself; leave --as-of and --confirm out")
        _send_tests(home, as_json, test_to, step, lead)
        return
    if step is not None or lead is not None:
        _fail(2, "--step, --lead: they choose what a test shows; give --test-to ADDRESS, too, or leave them out")
    from flows.send_scenarios import send_scenarios

    _run(send_scenarios, as_of, home, as_json, confirm=confirm)


def _send_tests(home: Path | None, as_json: bool, address: str, step: str | None, lead: str | None) -> None:
    from rules.loader import load_rules
    from tasks.trial import send_tests

    with _errors_told():
        settings = _settings(home)
        count = send_tests(settings, load_rules(settings.rules), address, step, lead)
    print(json.dumps({"test_mails": count}) if as_json else f"test mails: {count}")


@app.command()
def preview(
    lead: LeadOption = None,
    step: StepOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the pages. Default: preview in the home folder.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write each mail as a page to look at, for a lead or a made-up one. Sends nothing, changes nothing."""
    from rules.loader import load_rules
    from tasks.preview import write_previews

    with _errors_told():
        settings = _settings(home)
        rules = load_rules(settings.rules)
        index = write_previews(settings, rules, out or settings.home / "preview", step, lead)
    print(json.dumps({"index": str(index)}, ensure_ascii=False) if as_json else index)


@app.command()
def dashboard(
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Print a link to it on the web face, too; it works for 30 days, for whoever has it."
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the dashboard of what was last published as one HTML file that needs no network, and print its path."""
    from tasks.dashboard import dashboard_link, write_dashboard

    with _errors_told():
        settings = _settings(home)
        told = {"dashboard": str(write_dashboard(settings))}
        if link:
            told["link"] = dashboard_link(settings, datetime.now(UTC))
    print(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(told.values()))


@app.command()
def handoff(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Hand hot leads to sales and read back the follow-up, once."""
    from flows.hand_off_leads import hand_off_leads

    _run(hand_off_leads, as_of, home, as_json)


@app.command()
def cycle(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Pull, recompute, send and hand off, in order, once."""
    from flows.nurture_cycle import nurture_cycle

    _run(nurture_cycle, as_of, home, as_json)


@app.command()
def daily(as_of: AsOfOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Hand off what no cycle has, build the KPI tables and publish them, once."""
    from flows.daily_handoff_and_kpi import daily_handoff_and_kpi

    published = _run(daily_handoff_and_kpi, as_of, home, as_json)
    if not as_json:
        print_figures(published)


@app.command()
def review(
    period: Annotated[
        ReviewedPeriod, typer.Option(help="Review the last whole week, from Monday, or the last whole month.")
    ] = ReviewedPeriod.week,
    as_of: AsOfOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what changed and what to change: a report with ready edits of the rules, kept and mailed once a period."""
    from flows.review_performance import review_performance

    _run(review_performance, as_of, home, as_json, period=period.value)


@app.command()
def explain(
    email: Annotated[str, typer.Argument(help="Any address of the lead.", show_default=False)],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="Any instant, past ones too, ISO 8601 with offset. Default: that of the last recompute, whose tables "
            "people look at.",
        ),
    ] = None,
    shows_all: Annotated[bool, typer.Option("--all", help="List every event, not only the latest.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why a lead has this score, stage, segments, mails and non-mails. Touches nothing."""
    from rules.loader import load_rules
    from tasks.explain.layout import HEADING
    from tasks.explain.text import to_data, to_text
    from warehouse.explain import explain as explain_lead

    with _errors_told():
        settings = _settings(home)
        rules = load_rules(settings.rules)
        explanation = explain_lead(settings, rules, email, _instant(as_of))
    if explanation is None:
        when = f"as of {as_of}" if as_of else "as of the last recompute"
        _fail(1, f"no lead is known by this address {when}; check its spelling, or give another instant by --as-of")
    if as_json:
        print(json.dumps(to_data(explanation), ensure_ascii=False))
        return
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for line in to_text(explanation, rules, settings.zone, shows_all=shows_all):
        console.print(line, style="bold" if line.startswith(HEADING) else None)


@app.command()
def intake(
    host: Annotated[str, typer.Option(help="Address to listen on; behind a proxy that ends TLS, a loopback one.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8787,
    home: HomeOption = None,
) -> None:
    """Serve the web face: opt-out and preferences, SendGrid's event webhook. Ctrl-C ends it."""
    from sqlalchemy.exc import SQLAlchemyError

    from intake.app import serve
    from rules.loader import load_rules

    with _errors_told():
        settings = _settings(home)
        if settings.secret_key is None:
            _fail(
                2,
                "NURTURE_SECRET_KEY is not set, so no link in a mail can be read; set the key that signs them",
            )
        settings.home.mkdir(parents=True, exist_ok=True)
        try:
            serve(settings, load_rules(settings.rules), host, port)
        except OSError as error:
            _fail(1, f"{host}:{port} cannot be listened on: {error.strerror}; free the port or give another by --port")
        except SQLAlchemyError as error:
            _fail(1, f"the inbox cannot be opened ({type(error).__name__}); check NURTURE_INBOX_URL and its database")


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on; keep it a loopback one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8025,
    home: HomeOption = None,
) -> None:
    """Serve the stand-in SendGrid: it checks what the real one checks, and mails nobody. Ctrl-C ends it."""
    from sandbox.sendgrid import serve

    with _errors_told():
        settings = _settings(home)
        try:
            serve(host, port, settings.home)
        except OSError as error:
            _fail(1, f"{host}:{port} cannot be listened on: {error.strerror}; free the port or give another by --port")


@app.command()
def demo(
    home: Annotated[Path, typer.Option("--home", help="Folder of the demo; emptied first.")] = Path("var/demo"),
    weeks: Annotated[int, typer.Option(min=1, max=12, help="Simulated weeks.")] = 3,
    leads: Annotated[int, typer.Option(min=20, max=5000, help="Simulated leads.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 1,
) -> None:
    """Let a simulated company live through some weeks against the real flows and a stand-in SendGrid."""
    from demo import run_demo

    with _errors_told():
        published = run_demo(home, weeks=weeks, leads=leads, seed=seed)
    print_figures(published)


def print_figures(published: Path) -> None:
    """Print the figures of a published file as tables."""
    from tasks.summary import cell, read_figures

    console = Console(width=None if sys.stdout.isatty() else 140)
    for figures in read_figures(published):
        console.print(f"\n[bold]{figures.title}[/bold]")
        table = Table()
        for column in figures.columns:
            is_text = column in {"ティア", "購買ステージ", "シナリオ", "ステップ", "理由", "担当"}
            table.add_column(column, justify="left" if is_text else "right")
        for row in figures.rows:
            table.add_row(*(cell(column, value) for column, value in zip(figures.columns, row, strict=True)))
        console.print(table)
    console.print(f"\n分析用ファイル (KPI tables): {published}", soft_wrap=True, highlight=False)


def _run(flow: Flow[..., Any], as_of: str | None, home: Path | None, as_json: bool, **parameters: Any) -> Any:
    """Run a flow: through Prefect where ``PREFECT_API_URL`` is set, else as the plain function it wraps."""
    with _errors_told(), _progress():
        settings = _settings(home)
        call: Callable[..., Any] = flow if os.environ.get("PREFECT_API_URL") else flow.fn
        result = call(as_of=_instant(as_of), home=settings.home if home is not None else None, **parameters)
    if as_json:
        plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
        print(json.dumps(plain, default=str, ensure_ascii=False))
    elif not isinstance(result, Path):
        _print_result(result)
    return result


def _print_result(result: Any) -> None:
    from tasks.pull import PullReport

    if isinstance(result, PullReport):
        for source in result.sources:
            numbers = {name: value for name, value in asdict(source.counts).items() if isinstance(value, int)}
            counts = ", ".join(f"{name} {number:,}" for name, number in numbers.items())
            print(f"{source.source}: {counts} ({source.seconds:.1f} s)")
        if not result.sources:
            print("no sources are named in sources.yaml")
        return
    for name, value in result.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {number}" for key, number in value.items()) or "nothing"
        print(f"{name}: {value}")


def _settings(home: Path | None) -> Settings:
    from settings import load_settings

    return load_settings(home)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        _fail(2, f"--as-of: received {text!r}; allowed: ISO 8601 with offset, such as 2026-04-01T09:00:00+09:00")
    return at.astimezone(UTC)


def _fail(code: int, message: str) -> NoReturn:
    for line in message.splitlines():
        _errors.print(f"error: {line}", markup=False, soft_wrap=True, highlight=False)
    raise typer.Exit(code)


@contextmanager
def _errors_told() -> Iterator[None]:
    """Errors people can act on, one line each and without a traceback: exit 2 for configuration, 1 for a failed run."""
    try:
        yield
    except ConfigurationError as error:
        _fail(2, str(error))
    except ValidationError as error:
        _fail(2, "\n".join(_setting_fault(item) for item in error.errors()))
    except typer.Exit:
        raise
    except Exception as error:
        from tasks.clients.sources.errors import SourceError
        from tasks.errors import RunError
        from warehouse.errors import WarehouseError

        if isinstance(error, RunError | WarehouseError | SourceError):
            _fail(1, str(error))
        if os.environ.get("NURTURE_DEBUG"):
            raise
        _fail(1, _unexpected(error))


def _setting_fault(item: Mapping[str, Any]) -> str:
    """What is wrong with a setting; its value is shown unless it may be a secret."""
    name = str(item["loc"][0])
    name = name if name.startswith("NURTURE_") else f"NURTURE_{name.upper()}"
    is_secret = any(part in name for part in ("KEY", "URL", "SECRET")) or "@" in str(item["input"])
    received = "" if is_secret else f"; received: {item['input']}"
    return f"{name}: {item['msg'].removeprefix('Value error, ')}{received}"


def _unexpected(error: Exception) -> str:
    """What to say of a fault nobody foresaw. Its message may hold rows or secrets, so only kind and place are told."""
    if type(error).__module__.startswith(("httpx", "httpcore")) or "Failed to reach API" in str(error):
        return "the Prefect server at PREFECT_API_URL did not answer; start it, or unset the variable"
    trace = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(trace.filename).name}:{trace.lineno}"
    return f"unexpected {type(error).__name__} at {place}; set NURTURE_DEBUG=1 to see the whole of it"


@contextmanager
def _progress() -> Iterator[None]:
    """Show what the steps tell: a spinner on a terminal, plain lines elsewhere."""
    logger = logging.getLogger("nurture")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not _errors.is_terminal:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        logger.handlers = [handler]
        yield
        return
    with _errors.status("starting") as status:
        handler = logging.Handler()
        handler.emit = lambda record: status.update(record.getMessage())  # type: ignore[method-assign]
        logger.handlers = [handler]
        yield


if __name__ == "__main__":
    app()
