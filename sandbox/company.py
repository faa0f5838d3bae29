"""A simulated Japanese B2B company: its leads arrive, look around, ask for documents and react to the mails they get.

It writes where a customer's systems would (a CRM, access logs, SendGrid's events) and is repeatable to the byte: the
same seed, the same steps and the same mails give the same files.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from sandbox import words
from sandbox.agenda import Agenda
from sandbox.chance import at_work, generator, pick
from sandbox.clock import JST, from_epoch
from sandbox.crm import Crm
from sandbox.events import Event
from sandbox.mailbox import Mail, Mailbox
from sandbox.passers_by import PassersBy
from sandbox.people import Lead, make_leads
from sandbox.reactions import react
from sandbox.website import AccessLog, Post, choose_pages, choose_post, fill_form, form_page

_DAY_SECONDS = 86_400


class Company:
    """The company and all who visit it.

    Args:
        folder: Where `crm.db` and `web/access_YYYYMMDD.csv` go; it must hold no `crm.db` yet.
        seed: The seed of all chance.
        leads: How many leads in all.
        start: The instant at which the simulation starts, with an offset.
        mailbox: Where the mails to the leads arrive, and where their reactions are told; None for no mails.
        arrival_days: Over how many days the later leads arrive.
        share_at_start: The share of the leads that are in the CRM at the start.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        leads: int,
        start: datetime,
        mailbox: Mailbox | None = None,
        *,
        arrival_days: int = 28,
        share_at_start: float = 0.5,
    ) -> None:
        self.now = start
        self.opted_out: dict[str, datetime] = {}
        self._seed = seed
        self._mailbox = mailbox
        self._crm = Crm(folder / "crm.db")
        self._log = AccessLog(folder / "web")
        self._events: list[tuple[int, Event]] = []
        self._agenda = Agenda(int(start.timestamp()))
        self._mails_read = 0
        self._mails_ahead: list[Mail] = []
        begins = int(start.timestamp())
        self.leads = make_leads(seed, leads, begins, arrival_days, share_at_start)
        self._by_mail = {lead.mail.lower(): lead for lead in self.leads}
        for lead in self.leads:
            if lead.arrives_at <= begins:
                self._enter_early(lead, begins)
            else:
                self._agenda.plan(lead.arrives_at, lead.number, partial(self._arrive, lead))
        PassersBy(seed, max(2.0, leads * 0.12), self._agenda, self._log).start(begins)
        self._crm.flush()

    def advance(self, until: datetime) -> None:
        """Simulates what happened since the last instant, up to and with another, and writes it.

        Args:
            until: The instant, with an offset.

        Raises:
            ValueError: It lies before the last one.
        """
        if until < self.now:
            raise ValueError(
                f"the company is at {self.now.isoformat()} already and cannot go back to {until.isoformat()}"
            )
        self._read_mails(until)
        self._agenda.play(int(until.timestamp()))
        self.now = until
        self._log.flush()
        self._crm.flush()
        if self._mailbox is not None:
            self._mailbox.events.append(event for _, event in self._events)
        self._events.clear()

    def contact_id_of(self, mail: str) -> int | None:
        """Returns the CRM's id of an address, None while it has none."""
        lead = self._by_mail.get(mail.lower())
        return None if lead is None else lead.contact_id

    def _enter_early(self, lead: Lead, begins: int) -> None:
        self._crm.add_contact(lead, lead.arrives_at)
        if lead.consent_basis == "opt_in_form":
            post = fill_form(generator(self._seed, "first", lead.number), "document_download")
            self._crm.add_post(post.form, lead.mail, lead.cookies[0], post.asset, lead.arrives_at)
        self._plan_visit(lead, begins)

    def _arrive(self, lead: Lead, at: int) -> None:
        if lead.consent_basis == "opt_in_form":
            rng = generator(self._seed, "first", lead.number)
            form = pick(rng, (("document_download", 72.0), ("seminar_signup", 23.0), ("consultation_request", 5.0)))
            self._visit(lead, at, choose_pages(rng, lead.interest), fill_form(rng, form))
        else:
            self._crm.add_contact(lead, at)
        self._plan_visit(lead, at)

    def _plan_visit(self, lead: Lead, after: int) -> None:
        rng = generator(self._seed, "next", lead.number, lead.visits)
        gap_days = rng.expovariate(lead.liveliness.visits_per_day * (0.7 + lead.interest))
        at = at_work(rng, after + int(gap_days * _DAY_SECONDS), after)
        self._agenda.plan(at, lead.number, partial(self._come_back, lead))

    def _come_back(self, lead: Lead, at: int) -> None:
        rng = generator(self._seed, "visit", lead.number, lead.visits)
        lead.visits += 1
        self._visit(lead, at, choose_pages(rng, lead.interest), choose_post(rng, lead.interest))
        self._plan_visit(lead, at)

    def _visit(self, lead: Lead, at: int, pages: list[str], post: Post | None) -> None:
        rng = generator(self._seed, "pages", lead.number, at)
        cookie = rng.choice(lead.cookies)
        lead.interest = min(1.0, lead.interest + 0.01 * len(pages))
        for path in [*pages, *([form_page(post)] if post else [])]:
            self._agenda.plan(at, lead.number, partial(self._see, cookie, path, lead.browser))
            at += rng.randrange(12, 200)
        if post:
            self._agenda.plan(at, lead.number, partial(self._post, lead, cookie, post))

    def _see(self, cookie: str, path: str, browser: str, at: int) -> None:
        self._log.add(at, cookie, path, browser)

    def _post(self, lead: Lead, cookie: str, post: Post, at: int) -> None:
        rng = generator(self._seed, "post", lead.number, at)
        lead.interest = min(1.0, lead.interest + 0.1)
        # Some type their address with capitals; it is the same person.
        typed = lead.mail.capitalize() if rng.random() < 0.03 else lead.mail
        lead.topics = sorted({*lead.topics, rng.choice(words.TOPICS)})
        if lead.consent_basis != "opt_in_form":
            lead.consent_basis = "opt_in_form"
            lead.consent_evidence = (
                f"{words.EVIDENCE['opt_in_form']} {from_epoch(at).astimezone(JST).date().isoformat()}"
            )
        if lead.contact_id is None:
            self._crm.add_contact(lead, at)
        else:
            self._crm.edit_contact(lead, at)
        self._crm.add_post(post.form, typed, cookie, post.asset, at)

    def _read_mails(self, until: datetime) -> None:
        if self._mailbox is None:
            return
        arrived = [*self._mails_ahead, *self._mailbox.mails[self._mails_read :]]
        self._mails_read += len(arrived) - len(self._mails_ahead)
        self._mails_ahead = [mail for mail in arrived if mail.accepted_at > until]
        # requests come side by side, and chance must not hang on which was first
        for mail in sorted(arrived, key=lambda mail: (mail.accepted_at, mail.send_id or "", mail.to)):
            lead = self._by_mail.get(mail.to.lower())
            if lead is not None and mail.accepted_at <= until and mail.outcome == "delivered":
                self._react(lead, mail)

    def _react(self, lead: Lead, mail: Mail) -> None:
        lead.mails += 1
        reaction = react(generator(self._seed, "mail", lead.number, lead.mails), lead, mail)
        for at, event in reaction.events:
            self._agenda.plan(at, lead.number, partial(self._tell, event))
        if reaction.opted_out_at is not None:
            self._agenda.plan(reaction.opted_out_at, lead.number, partial(self._opt_out, lead, mail))
        if reaction.visit_at is not None and reaction.landing is not None:
            rng = generator(self._seed, "landing", lead.number, lead.mails)
            pages = [reaction.landing, *choose_pages(rng, lead.interest)[1:]]
            self._agenda.plan(reaction.visit_at, lead.number, partial(self._follow_link, lead, pages, reaction.post))

    def _tell(self, event: Event, at: int) -> None:
        self._events.append((at, event))

    def _opt_out(self, lead: Lead, mail: Mail, at: int) -> None:
        self.opted_out.setdefault(lead.mail, from_epoch(at))
        self._crm.add_opt_out(lead.mail, mail.send_id, at)

    def _follow_link(self, lead: Lead, pages: list[str], post: Post | None, at: int) -> None:
        self._visit(lead, at, pages, post)
