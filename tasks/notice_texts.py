"""Words what sales is told: a lead handed over, a limit that nears or is over, the morning's list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rules.models import Person, RuleSet
from settings import Settings
from tasks.brief import Brief, cause_label, local_stamp, make_brief
from tasks.chat_text import without_markup
from tasks.dashboard import dashboard_link
from tasks.mail import one_line
from tasks.main_chart import Chart
from tasks.review.names import review_name, review_title
from tasks.review.report import edits_of
from tasks.sfa_links import record_url
from tokens import FOLLOW_UP_SALT, HANDOFFS_SALT, TextSigner
from warehouse.reviews import Review

LIST_DAYS = 14
"""How long a link to the list of open handoffs works; each morning brings a new one."""
EVERYONES = "*"
"""Of links to the list: the handoffs of all owners."""
_KINDS = {
    "handoff": "引き継ぎ",
    "notify": "お知らせ",
    "reminder": "期限が近づいています",
    "escalation": "期限超過",
    "reassigned": "担当変更",
    "digest": "本日の対応",
    "review": "レビュー",
}
_INTROS = {
    "handoff": "{label}のリードです。",
    "notify": "{label}のリードです。",
    "reminder": "まだ連絡が記録されていません。初回連絡の期限は {due} です。",
    "escalation": "{owner}さんに引き継いだリードに、期限の {due} を過ぎても連絡が記録されていません。",
    "reassigned": "前の担当者から連絡が記録されないまま期限を過ぎたため、引き継ぎ先が変わりました。",
}
_SEEN_LATE = "記録が届いたのが期限のあとだったため、{owner}さんに引き継いだのは {at} です。"
_BUTTONS = (
    ("連絡した", "contacted"),
    ("対応を始める", "accepted"),
    ("商談になった", "meeting"),
    ("差し戻す", "returned"),
)
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Message:
    """One message, as mail and as the shorter text that a chat room gets."""

    subject: str
    text: str
    html: str
    chat: str
    picture: bytes | None = None
    """A PNG that the HTML shows as ``cid:main-chart``."""


class Wording:
    """Words messages for one run.

    Args:
        settings: The settings: where links lead, and what signs them.
        rules: The rule set.
        as_of: The instant of the run.
    """

    def __init__(self, settings: Settings, rules: RuleSet, as_of: datetime) -> None:
        self._settings, self._rules, self._as_of, self._zone = settings, rules, as_of, settings.zone
        people: tuple[Person, ...] = (*rules.handoff.reviewers, *rules.handoff.owners, *rules.handoff.managers)
        self._names = {one.id: one.name for one in people}
        key = settings.signing_key
        self._follow_up: Callable[[str], str] | None = None
        self._list: Callable[[str], str] | None = None
        self._url = settings.public_url
        if key is not None:
            self._follow_up, self._list = TextSigner(key, FOLLOW_UP_SALT), TextSigner(key, HANDOFFS_SALT)

    def about_lead(self, row: Mapping[str, Any]) -> Message:
        """What to say of one lead: a row of :func:`warehouse.notices.planned_notices`."""
        kind, brief = row["kind"], make_brief(row, self._rules, self._zone)
        label = cause_label(self._rules, row["cause"])
        who = one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "新しいリード"
        due = local_stamp(row["due_at"], self._zone) if row.get("due_at") else ""
        owner = self._names.get(row["owner"], row["owner"])
        shown = without_markup(who)  # a room gets the subject, too
        subject = f"【{_KINDS[kind]}】{shown} 様({label})"
        greeting = f"{self._names.get(row['recipient'], owner)} さん"
        intro = [greeting, _INTROS[kind].format(label=label, due=due, owner=owner)]
        if kind == "escalation" and row["handed_off_at"] >= row["due_at"]:
            intro.append(_SEEN_LATE.format(at=local_stamp(row["handed_off_at"], self._zone), owner=owner))
        if kind == "reminder" and row["recipient"] != row["owner"]:
            intro.append(f"担当は{owner}さんですが、担当者の一覧にいません。")
        handoff_id = row.get("handoff_id")
        buttons = self.buttons(handoff_id) if handoff_id else []
        record = record_url(self._settings, row.get("sfa_id"))
        buttons += [("SFAで開く", record)] if record else []
        chat = [f"{shown} 様 / {label}", f"担当: {without_markup(owner)}"]
        if due:
            chat.append(f"初回連絡の期限: {due}")
        if row.get("say"):
            chat.append(f"お話しするなら: {row['say']}")
        chat += [f"状況の記録: {self.follow_up_url(handoff_id)}"] if handoff_id and self._follow_up else []
        chat += [f"SFA: {record}"] if record else []
        return self._message(subject, intro, brief, buttons, chat)

    def digest(self, recipient: str, rows: Sequence[Mapping[str, Any]], chart: Chart | None = None) -> Message:
        """The morning's list for a rep, a manager or a room: rows of :func:`warehouse.follow_ups.open_handoffs`.

        Managers' is of all handoffs, also where a manager is an owner besides, and holds the dashboard's main chart, in
        words and, where it could be drawn, as a picture.
        """
        managers = {manager.id for manager in self._rules.handoff.managers}
        is_owner = recipient in {owner.id for owner in self._rules.handoff.owners} - managers
        mine = [row for row in rows if not is_owner or row["owner"] == recipient]
        late = [row for row in mine if self._is_uncalled(row) and row["due_at"] <= self._as_of]
        end = self._as_of.astimezone(self._zone).replace(hour=23, minute=59, second=59)
        today = [row for row in mine if self._is_uncalled(row) and self._as_of < row["due_at"] <= end]
        rest = [row for row in mine if row not in late and row not in today]
        sections = tuple(
            (f"{title} {len(found)}件", tuple(self._line(row, with_owner=not is_owner) for row in found))
            for title, found in (("期限を過ぎて未連絡", late), ("今日が期限", today), ("そのほか対応中", rest))
            if found
        )
        subject = f"【本日の対応】未連絡 {len(late) + len(today)}件(期限超過 {len(late)}件)、対応中 {len(mine)}件"
        if not mine:
            subject = "【本日の対応】対応中のリードはありません"
        whose = "あなたが" if is_owner else "営業に引き継いで"
        said = "引き継いだリードの一覧です。" if mine else f"{whose}対応中のリードは、いまありません。"
        intro = [f"{self._names.get(recipient, '営業')} さん", said]
        url = self.list_url(recipient if is_owner else EVERYONES)
        buttons = [("一覧を開く", url)] if url else []
        if chart is not None and self._settings.signing_key is not None and self._settings.dashboard.exists():
            buttons.append(("ダッシュボードを開く", dashboard_link(self._settings, self._as_of)))
        told = [f"期限を過ぎて未連絡: {len(late)}件", f"今日が期限: {len(today)}件", f"対応中: {len(mine)}件"]
        return self._message(subject, intro, Brief((), sections), buttons, [*told, *([url] if url else [])], chart)

    def review(self, recipient: str, said: Review) -> Message:
        """What a weekly or monthly review found, in short: it names no lead, and where the whole of it stands."""
        proposals = edits_of(said)
        changes = [one for one in said.findings if one.is_noise is False and one.rule_edit is None]
        title, subject = review_title(said), f"【{review_title(said)}】提案 {len(proposals)}件、変化 {len(changes)}件"
        nothing = "偶然では説明できない変化はありません。今の設定のままで大丈夫です。"
        intro = [f"{self._names.get(recipient, '')} さん".strip(), f"{title}の結果です。"]
        intro += [] if proposals or changes else [nothing]
        sections = tuple(
            (f"{heading} {len(found)}件", tuple(line for one in found for line in (one.told, f"→ {one.what_to_do}")))
            for heading, found in (("設定変更の提案", proposals), ("偶然では説明しにくい変化", changes))
            if found
        )
        where = f"全体のレポートと編集案: NURTURE_HOME の reviews/{review_name(said)}.html"
        chat = [one.told for one in (proposals + changes)[:5]] or [nothing]
        return self._message(subject, intro, Brief((), (*sections, ("レポート", (where,)))), [], [*chat, where])

    def buttons(self, handoff_id: str) -> list[tuple[str, str]]:
        """Links by which a rep says what became of a handoff; each leads to a page that asks once more."""
        url = self.follow_up_url(handoff_id)
        return [(label, f"{url}?to={status}") for label, status in _BUTTONS] if url else []

    def follow_up_url(self, handoff_id: str) -> str:
        """The page of one handoff; empty without a secret key."""
        return f"{self._url}/h/{self._follow_up(handoff_id)}" if self._follow_up else ""

    def list_url(self, owner: str) -> str:
        """The page of an owner's open handoffs, or of all; empty without a secret key."""
        until = (self._as_of + timedelta(days=LIST_DAYS)).date().isoformat()
        return f"{self._url}/handoffs/{self._list(f'{owner} {until}')}" if self._list else ""

    def _is_uncalled(self, row: Mapping[str, Any]) -> bool:
        return row["status"] in {"new", "accepted"} and row["first_contact_at"] is None

    def _line(self, row: Mapping[str, Any], *, with_owner: bool) -> str:
        who = one_line(f"{row.get('company') or ''} {row.get('name') or ''}").strip() or "(未登録)"
        owner = f" / 担当 {self._names.get(row['owner'], row['owner'])}" if with_owner else ""
        label = cause_label(self._rules, row["cause"])
        return f"{who} 様 / {label} / 期限 {local_stamp(row['due_at'], self._zone)}{owner}"

    def _message(
        self,
        subject: str,
        intro: list[str],
        brief: Brief,
        buttons: list[tuple[str, str]],
        chat: list[str],
        chart: Chart | None = None,
    ) -> Message:
        acts = "\n".join(f"{label}: {url}" for label, url in buttons)
        figures = chart.words if chart else ""
        text = "\n\n".join(part for part in ("\n\n".join(intro), brief.text().strip(), figures, acts) if part) + "\n"
        page = _PAGES.get_template("notice.html").render(
            title=subject, intro=intro, facts=brief.facts, sections=brief.sections, buttons=buttons, chart=chart
        )
        return Message(subject, text, page, "\n".join(chat), chart.picture if chart else None)
