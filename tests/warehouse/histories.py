"""Random histories: what sources tell of a few people, in any order, late, twice, or stamped ahead."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import duckdb
from hypothesis import strategies as st

from tests.facts import START

OWN_URL = "http://127.0.0.1:8787"

_DOMAINS = ("alpha.example", "beta.example", "free.example")
_PEOPLE = range(5)
_KNOWN_AS = [
    *((f"p{one}@{_DOMAINS[one % 3]}", None) for one in _PEOPLE),
    *((f"p{one}@{_DOMAINS[one % 3]}", f"crm:{one}") for one in _PEOPLE),
    *((f"q{one}@{_DOMAINS[(one + 1) % 3]}", None) for one in _PEOPLE),
    *((f"q{one}@{_DOMAINS[(one + 1) % 3]}", f"crm:{one}") for one in _PEOPLE),
    *((None, f"crm:{one}") for one in _PEOPLE),
    *((f"q{one}@{_DOMAINS[(one + 1) % 3]}", f"sfa:{one}") for one in _PEOPLE),
    *((None, f"sfa:{one}") for one in _PEOPLE),
    # one source takes two people for one
    *((f"p{one}@{_DOMAINS[one % 3]}", f"sfa:{one + 1}") for one in _PEOPLE),
]
_SENDS = {f"s{number}": (f"p{number % 4}@{_DOMAINS[number % 4 % 3]}", f"step_{number % 2}") for number in range(4)}
_URLS = ("/price", "https://www.example.com/price/plans?x=1", "/cases/a", "/%E6%96%99%E9%87%91/", "/other", None)
_LINKS = ("https://www.example.com/", f"{OWN_URL}/u/token", f"{OWN_URL}/preferences/token", None)
_ASSETS = ("case-1.pdf", "/files/case-2.pdf", "guide.pdf", None)
_OPT_OUTS: tuple[dict[str, str] | None, ...] = (
    None,
    {},
    {"mail_kind": "newsletter"},
    {"mail_kind": "Step "},
    {"mail_kind": "something"},
    {"asm_group_id": "12"},
    {"asm_group_id": "99"},
)
_FORMS: tuple[dict[str, str] | None, ...] = (
    {"form": "Ｄemo", "seats": "12"},
    {"form": "demo", "seats": "3"},
    {"form": "contact"},
    {},
    None,
)

instants = st.builds(
    lambda quarter_days, seconds: START + timedelta(days=quarter_days / 4, seconds=seconds),
    st.integers(0, 48),
    st.sampled_from([0, 0, 0, 1, 29 * 60, 30 * 60, 31 * 60]),
)
"""Few enough that facts, windows and runs often meet in one instant, or miss it by a second."""
# late, at once, or by a clock that is ahead
delays = st.sampled_from([timedelta(days=days) for days in (0, 0, 0, 0, 0.25, 0.5, 3, 6, -1, -3)])


@dataclass(frozen=True)
class Fact:
    """One row of a table of facts; ``batch`` says with which of the others it comes."""

    table: str
    batch: int
    values: Mapping[str, object]

    def __repr__(self) -> str:
        """What is told, without what is not."""
        told = {name: str(value) for name, value in self.values.items() if value is not None}
        return f"\n  {self.batch} {self.table} {told}"


def insert(connection: duckdb.DuckDBPyConnection, facts: Iterable[Fact]) -> None:
    """Add facts as a pull would have."""
    for fact in facts:
        columns = [name for name, value in fact.values.items() if value is not None]
        values: list[object] = []
        marks = []
        for name in columns:
            value = fact.values[name]
            is_map = isinstance(value, dict)
            values += [list(value), list(value.values())] if isinstance(value, dict) else [value]
            marks.append("map(?::varchar[], ?::varchar[])" if is_map else "?")
        connection.execute(f"insert into {fact.table} ({', '.join(columns)}) values ({', '.join(marks)})", values)


def in_disorder(facts: Sequence[Fact], seed: int) -> list[Fact]:
    """The same facts in another order."""
    shuffled = list(facts)
    random.Random(seed).shuffle(shuffled)
    return shuffled


def _number(facts: Iterable[Fact]) -> list[Fact]:
    """Give facts their ids, whose order says nothing; a send is noted once."""
    numbered, sends = [], set()
    for number, fact in enumerate(facts):
        scattered = (number * 7919 + 13) % 10007
        values = dict(fact.values)
        if fact.table == "send_records":
            if values["send_id"] in sends:
                continue
            sends.add(values["send_id"])
        elif fact.table == "events":
            values["event_id"] = UUID(int=scattered)
        else:
            values["record_id"] = f"r{scattered}"
        numbered.append(Fact(fact.table, fact.batch, values))
    return numbered


def _stamps(occurred_at: datetime, delay: timedelta) -> dict[str, object]:
    return {"occurred_at": occurred_at, "received_at": occurred_at + delay}


def _who(known_as: tuple[str | None, str | None]) -> dict[str, object]:
    return {"email": known_as[0], "external_id": known_as[1]}


_batches = st.integers(0, 4)
_known_as = st.sampled_from(_KNOWN_AS)
_visitors = st.sampled_from(["v1", "v2", "v3", None])


@st.composite
def _events(draw: st.DrawFn) -> list[Fact]:
    kind = draw(
        st.sampled_from(
            ["page_view", "page_view", "document_download", "form_submit", "seminar_signup", "consultation_request"]
        )
    )
    values = {"source": "web", "event_type": kind, **_stamps(draw(instants), draw(delays))}
    if draw(st.booleans()):
        values |= _who(draw(_known_as)) | {"visitor": draw(_visitors)}
    else:
        values["visitor"] = draw(_visitors)
    match kind:
        case "page_view":
            values["url"] = draw(st.sampled_from(_URLS))
        case "document_download":
            values["asset"] = draw(st.sampled_from(_ASSETS))
        case "form_submit":
            values["properties"] = draw(st.sampled_from(_FORMS))
    return [Fact("events", draw(_batches), values)]


@st.composite
def _bursts(draw: st.DrawFn) -> list[Fact]:
    """Views around the window within which they count once."""
    who = _who(draw(_known_as)) if draw(st.booleans()) else {"visitor": draw(_visitors)}
    url, when, delay, batch = draw(st.sampled_from(_URLS)), draw(instants), draw(delays), draw(_batches)
    facts: list[Fact] = []
    for gap_minutes in draw(st.lists(st.sampled_from([0, 1, 10, 15, 29, 30, 31]), min_size=2, max_size=5)):
        when += timedelta(minutes=gap_minutes)
        values = {"source": "web", "event_type": "page_view", "url": url, **who, **_stamps(when, delay)}
        facts.append(Fact("events", (batch + len(facts) // 3) % 5, values))
    return facts


@st.composite
def _mail_events(draw: st.DrawFn) -> list[Fact]:
    kind = draw(
        st.sampled_from(
            ["mail_processed", "mail_delivered", "mail_open", "mail_open", "mail_click", "mail_click", "mail_bounce",
             "mail_spam_report", "mail_unsubscribe", "mail_resubscribe", "mail_dropped"]
        )
    )  # fmt: skip
    values = {"source": "sendgrid", "event_type": kind, **_stamps(draw(instants), draw(delays))}
    values["send_id"] = draw(st.sampled_from([*_SENDS, *_SENDS, None]))
    if draw(st.integers(0, 2)) == 0:
        values |= _who(draw(_known_as))
    if draw(st.integers(0, 2)) == 0:
        values["visitor"] = draw(_visitors)
    match kind:
        case "mail_click":
            values["url"] = draw(st.sampled_from(_LINKS))
            values["properties"] = draw(st.sampled_from([None, {}, {"useragent": "curl/8.0"}, {"useragent": "Chrome"}]))
        case "mail_open":
            values["properties"] = draw(st.sampled_from([None, {"sg_machine_open": "true"}]))
        case "mail_bounce" | "mail_processed":
            named = draw(st.sampled_from([{}, {}, {"smtp-id": "<m1@x.test>"}, {"sg_message_id": "m1.recvd-1"}]))
            kinds = [{"type": "blocked"}, {"type": "bounce"}, {}] if kind == "mail_bounce" else [{}]
            values["properties"] = named | draw(st.sampled_from(kinds))
        case "mail_dropped":
            reasons = ("Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid", "Spam Content")
            values["properties"] = {"reason": draw(st.sampled_from(reasons))}
        case "mail_unsubscribe" | "mail_resubscribe":
            values["properties"] = draw(st.sampled_from(_OPT_OUTS))
    return [Fact("events", draw(_batches), values)]


@st.composite
def _link_visits(draw: st.DrawFn) -> list[Fact]:
    """A page opened by a link of a mail, and views that follow, most of them on a browser nobody is known by."""
    visitor = draw(st.sampled_from(["w1", "w1", "w2", "v1"]))
    when, batch = draw(instants), draw(_batches)
    visit = {"event_type": "link_visit", "send_id": draw(st.sampled_from([*_SENDS, "s9"])), "visitor": visitor}
    facts = [Fact("events", batch, {"source": "web", **visit, **_stamps(when, draw(delays))})]
    for gap_minutes in draw(st.lists(st.sampled_from([-60, 0, 40, 3000]), min_size=1, max_size=3)):
        view = {"event_type": "page_view", "url": draw(st.sampled_from(_URLS)), "visitor": visitor}
        if draw(st.integers(0, 7)) == 0:
            view |= _who(draw(_known_as)) | {"event_type": "form_submit"}
        stamps = _stamps(when + timedelta(minutes=gap_minutes), draw(delays))
        facts.append(Fact("events", draw(_batches), {"source": "web", **view, **stamps}))
    return facts


@st.composite
def _scans(draw: st.DrawFn) -> list[Fact]:
    """A delivery, and clicks and visits around it, some of them a mail gateway's, each told when it pleases."""
    send_id, when = draw(st.sampled_from([*_SENDS, "s9"])), draw(instants)
    who = draw(st.sampled_from([{}, {"email": _SENDS.get(send_id, (None,))[0]}]))
    facts = []
    for seconds in draw(st.lists(st.sampled_from([-4, 2, 8, 9, 40, 70, 3000]), min_size=1, max_size=4)):
        url = draw(st.sampled_from([*_LINKS, *_LINKS, f"{OWN_URL}/trap/mail"]))
        values = {"source": "sendgrid", "event_type": "mail_click", "send_id": send_id, "url": url, **who}
        stamps = _stamps(when + timedelta(seconds=seconds), draw(delays))
        if draw(st.integers(0, 2)) == 0:
            visitor = draw(st.sampled_from(["w1", "w3"]))
            values = {"source": "web", "event_type": "link_visit", "send_id": send_id, "url": url, "visitor": visitor}
            view = {"source": "web", "event_type": "page_view", "url": "/price", "visitor": visitor}
            facts.append(Fact("events", draw(_batches), view | _stamps(when + timedelta(hours=1), draw(delays))))
        facts.append(Fact("events", draw(_batches), values | stamps))
    if draw(st.integers(0, 3)):
        values = {"event_type": "mail_delivered", "send_id": send_id, **who, **_stamps(when, draw(delays))}
        facts.append(Fact("events", draw(_batches), {"source": "sendgrid", **values}))
    return facts


@st.composite
def _soft_bounces(draw: st.DrawFn) -> list[Fact]:
    """Bounces that may pass, with or without a delivery among them."""
    email, when, batch = draw(st.sampled_from(_KNOWN_AS))[0], draw(instants), draw(_batches)
    facts = []
    for number, gap_days in enumerate(draw(st.lists(st.sampled_from([0, 1, 1, 2, 4]), min_size=2, max_size=5))):
        when += timedelta(days=gap_days)
        is_delivered = draw(st.integers(0, 4)) == 0
        values = {
            "source": "sendgrid",
            "event_type": "mail_delivered" if is_delivered else "mail_bounce",
            "properties": None if is_delivered else {"type": "blocked"},
            "send_id": draw(st.sampled_from(["s0", "s1", f"b{number}", f"b{number}", None])),
            "email": draw(st.sampled_from([email, email, email, None])),
            **_stamps(when, draw(delays)),
        }
        facts.append(Fact("events", (batch + number // 2) % 5, values))
    return facts


@st.composite
def _sends(draw: st.DrawFn) -> list[Fact]:
    send_id = draw(st.sampled_from(list(_SENDS)))
    email, step = _SENDS[send_id]
    stamps = _stamps(draw(instants), draw(delays))
    named = {"send_id": send_id, "email": email, **stamps}
    record = {**named, "scenario": "guide", "step": step, "variant": "a", "occurrence": 1}
    event = {**named, "source": "ledger", "event_type": "mail_sent"}
    batch = draw(_batches)
    return [Fact("send_records", batch, record), Fact("events", batch, event)]


@st.composite
def _records(draw: st.DrawFn) -> list[Fact]:
    attributes = {
        name: draw(st.sampled_from(values))
        for name, values in {
            "title": ("営業部長", "副部長", "課長"),
            "company": ("株式会社アルファ", "アルファ", "Beta Inc.", "株式会社"),
            "corporate_number": ("3234567890120", "5835678256246", "1234567890123"),
            "industry": ("製造業", "ＩＴ"),
            "employees": ("50", "300", "many"),
            "topics": ("ai", "ai;iot", "iot"),
            "founded": ("2001-04-01", "2020-01-01"),
            "is_member": ("true", "false"),
        }.items()
        if draw(st.integers(0, 2)) == 0
    }
    values = {
        "source": draw(st.sampled_from(["crm", "list"])),
        **_who(draw(_known_as)),
        **_stamps(draw(instants), draw(delays)),
        "visitor": draw(st.sampled_from([None, None, None, "v1", "v2"])),
        "attributes": attributes,
        "created_at": draw(st.sampled_from([None, None, START - timedelta(days=9), START + timedelta(days=2)])),
    }
    return [Fact("lead_records", draw(_batches), values)]


@st.composite
def _deals(draw: st.DrawFn) -> list[Fact]:
    deal_id, batch = draw(st.sampled_from(["D1", "D2"])), draw(_batches)
    status = draw(st.sampled_from(["open", "won", "lost"]))
    told = {"source": "sfa", **_who(draw(_known_as)), **_stamps(draw(instants), draw(delays))}
    record = {
        "deal_id": deal_id,
        "status": status,
        "amount": draw(st.sampled_from([None, 50, 100, 500])),
        "attributes": {},
        **told,
    }
    event_type = {"open": "deal_created", "won": "deal_won", "lost": "deal_lost"}[status]
    event = {"event_type": event_type, "properties": {"deal_id": deal_id}, **told}
    return [Fact("deal_records", batch, record), Fact("events", batch, event)]


@st.composite
def _consents(draw: st.DrawFn) -> list[Fact]:
    values = {
        "source": "crm",
        **_who(draw(_known_as)),
        "mail_kind": draw(st.sampled_from(["marketing", "marketing", "newsletter", "step", "trigger"])),
        "is_granted": draw(st.booleans()),
        "basis": draw(st.sampled_from(["opt_in_form", "business_card"])),
        "evidence": "form v1",
        **_stamps(draw(instants), draw(delays)),
    }
    return [Fact("consent_records", draw(_batches), values)]


@st.composite
def _suppressions(draw: st.DrawFn) -> list[Fact]:
    values = {
        "source": "list",
        **_who(draw(_known_as)),
        "blocks": draw(st.sampled_from(["marketing", "all", "newsletter", "trigger"])),
        "reason": draw(st.sampled_from(["opt_out", "spam_report"])),
        **_stamps(draw(instants), draw(delays)),
    }
    return [Fact("suppression_records", draw(_batches), values)]


_told = st.one_of(
    _events(), _events(), _events(), _bursts(), _mail_events(), _mail_events(), _records(), _records(), _deals(),
    _sends(), _link_visits(), _scans(), st.one_of(_consents(), _suppressions(), _soft_bounces()),
)  # fmt: skip


def _told_twice(facts: list[Fact], is_told_twice: bool) -> list[Fact]:
    again = [Fact(fact.table, (fact.batch + 2) % 5, fact.values) for fact in facts] if is_told_twice else []
    return facts + again


_some_facts = st.lists(st.builds(_told_twice, _told, st.sampled_from([False] * 9 + [True])), max_size=12)
histories = st.tuples(*[_some_facts] * 10).map(
    lambda told: _number(fact for some in told for facts in some for fact in facts)
)
"""Facts of a few people who share browsers, change address, job and company, and may be merged."""
