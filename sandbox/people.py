"""The leads of the simulated company: who they are, and how lively.

Most people are silent and a few do nearly everything: rules tuned on evenly busy leads would mislead whoever looks at
the demo.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from sandbox import words
from sandbox.chance import at_work, generator, pick
from sandbox.clock import from_epoch


@dataclass(frozen=True, slots=True)
class Liveliness:
    """How much a kind of person does of their own accord, and on a mail."""

    visits_per_day: float
    open_chance: float
    click_chance: float
    """Chance of a click once the mail is open."""
    interest: float
    """Between 0 and 1, at the start; what one does raises it."""


LIVELINESS = (
    (Liveliness(0.008, 0.165, 0.13, 0.05), 62.0),
    (Liveliness(0.06, 0.33, 0.24, 0.2), 25.0),
    (Liveliness(0.22, 0.48, 0.36, 0.4), 10.0),
    (Liveliness(0.7, 0.6, 0.45, 0.6), 3.0),
)


@dataclass(frozen=True, slots=True)
class Firm:
    """A made-up company that people work for."""

    name: str
    domain: str
    industry: str
    employees: int
    revenue: int
    region: str
    has_scanner: bool
    """Its mail gateway follows every link before the reader sees the mail."""


@dataclass(slots=True)
class Lead:
    """One person. What changes in the course of the simulation stands last."""

    number: int
    mail: str
    full_name: str
    job_title: str
    phone: str
    firm: Firm
    arrives_at: int
    consent_basis: str | None
    consent_evidence: str | None
    liveliness: Liveliness
    cookies: tuple[str, ...]
    browser: str
    ip: str
    reads_on_apple: bool
    topics: list[str] = field(default_factory=list)
    interest: float = 0.0
    contact_id: int | None = None
    visits: int = 0
    mails: int = 0


def make_leads(seed: int, count: int, start: int, arrival_days: int, share_at_start: float) -> list[Lead]:
    """Makes the leads, in the order of their arrival.

    Args:
        seed: The seed.
        count: How many in all.
        start: Unix seconds at which the simulation starts.
        arrival_days: Over how many days the later ones arrive.
        share_at_start: The share that is there already, arrived within the year before.

    Returns:
        The leads; no two share an address.
    """
    firms = [_make_firm(seed, number) for number in range(max(1, count * 2 // 5))]
    early = round(count * share_at_start)
    arrivals = []
    for number in range(count):
        rng = generator(seed, "arrival", number)
        if number < early:
            arrivals.append(at_work(rng, start - rng.randrange(2, 360) * 86_400, 0))
        else:
            arrivals.append(at_work(rng, start + int(rng.random() * arrival_days * 86_400), start))
    # A weekend moves an arrival forward, never past the start.
    arrivals = [min(at, start - 3_600) if n < early else at for n, at in enumerate(arrivals)]
    taken: set[str] = set()
    return [_make_lead(seed, number, at, firms, taken) for number, at in enumerate(sorted(arrivals))]


def _make_firm(seed: int, number: int) -> Firm:
    rng = generator(seed, "firm", number)
    industry, suffixes = pick(rng, [((name, suffixes), float(weight)) for name, weight, suffixes in words.INDUSTRIES])
    stem, stem_latin = rng.choice(words.COMPANY_STEMS)
    suffix, suffix_latin = rng.choice(suffixes)
    low, high = pick(rng, words.EMPLOYEE_BANDS)
    employees = rng.randrange(low, high)
    top = pick(rng, [("example", 8.0), ("test", 2.0)])
    return Firm(
        name=pick(rng, words.COMPANY_FORMS).format(stem + suffix),
        # The number keeps two firms of one name apart.
        domain=f"{stem_latin}-{suffix_latin}{number}.{top}",
        industry=industry,
        employees=employees,
        revenue=int(employees * rng.uniform(12, 45)),
        region=pick(rng, words.REGIONS),
        has_scanner=rng.random() < 0.02,
    )


def _make_lead(seed: int, number: int, arrives_at: int, firms: list[Firm], taken: set[str]) -> Lead:
    rng = generator(seed, "lead", number)
    firm = rng.choice(firms)
    family, family_latin = rng.choice(words.FAMILY_NAMES)
    given, given_latin = rng.choice(words.GIVEN_NAMES)
    mail = f"{given_latin[0]}.{family_latin}@{firm.domain}"
    if rng.random() < 0.015:
        # The stand-in bounces such addresses: people who have left, or typed wrongly.
        mail = f"bounce.{mail}"
    if mail in taken:
        mail = mail.replace("@", f"{number}@")
    taken.add(mail)
    title = pick(rng, words.JOB_TITLES)
    if title in ("製造部長", "工場長") and firm.industry != "製造業":
        title = "営業部長"
    basis = pick(rng, words.CONSENTS)
    liveliness = pick(rng, LIVELINESS)
    cookies = tuple(f"c{rng.getrandbits(64):016x}" for _ in range(2 if rng.random() < 0.15 else 1))
    return Lead(
        number=number,
        mail=mail,
        full_name=f"{family}{pick(rng, ((' ', 6.0), ('　', 3.0), ('', 1.0)))}{given}",
        job_title=title,
        phone=f"03-0000-{number % 10_000:04d}",
        firm=firm,
        arrives_at=arrives_at,
        consent_basis=basis,
        consent_evidence=None if basis is None else f"{words.EVIDENCE[basis]} {_day(arrives_at).isoformat()}",
        liveliness=liveliness,
        cookies=cookies,
        browser=pick(rng, words.BROWSERS),
        ip=f"198.51.100.{rng.randrange(1, 255)}",
        reads_on_apple=rng.random() < 0.12,
        topics=_some_topics(rng),
        interest=liveliness.interest,
    )


def _some_topics(rng: random.Random) -> list[str]:
    return sorted(rng.sample(words.TOPICS, pick(rng, ((0, 3.0), (1, 4.0), (2, 3.0)))))


def _day(at: int) -> date:
    return (from_epoch(at) + timedelta(hours=9)).date()
