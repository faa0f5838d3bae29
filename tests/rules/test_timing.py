"""The sheet's grammar: many spellings of one thing, and nothing that is guessed."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.models import Selector, Term
from rules.timing import (
    FollowUpMail,
    NextAction,
    NotifySales,
    NotUnderstoodError,
    SalesFollowUp,
    parse_cta,
    parse_next_actions,
    parse_timing,
)
from rules.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    [
        Term(id="download", words=("資料DL", "document download"), selector=Selector(event="document_download")),
        Term(
            id="cases",
            words=("事例集DL", "case studies download"),
            selector=Selector(event="document_download", asset_group="case_studies"),
        ),
        Term(
            id="price",
            words=("価格ページ閲覧", "price page view"),
            selector=Selector(event="page_view", page_group="price"),
        ),
        Term(id="seminar", words=("セミナー申込", "seminar signup"), selector=Selector(event="seminar_signup")),
    ],
    synonyms=[["DL", "ダウンロード"], ["セミナー", "ウェビナー"], ["申込", "申し込み", "申込み"]],
)


@pytest.mark.parametrize(
    ("text", "term", "count", "delay"),
    [
        ("資料DL直後", "download", 1, timedelta(0)),
        ("資料DL後", "download", 1, timedelta(0)),
        ("資料DL後すぐ", "download", 1, timedelta(0)),
        (" 資料ＤＬ 後 ", "download", 1, timedelta(0)),
        ("資料ダウンロード後３日", "download", 1, timedelta(days=3)),
        ("資料DL後3日後", "download", 1, timedelta(days=3)),
        ("資料DLの3日後", "download", 1, timedelta(days=3)),
        ("資料DL3日後", "download", 1, timedelta(days=3)),
        ("資料DLから3日後", "download", 1, timedelta(days=3)),
        ("事例集DL後3日", "cases", 1, timedelta(days=3)),
        ("価格ページ閲覧後１２時間", "price", 1, timedelta(hours=12)),
        ("価格ページ閲覧後10分", "price", 1, timedelta(minutes=10)),
        ("ｳｪﾋﾞﾅｰ申し込み後1週間", "seminar", 1, timedelta(weeks=1)),
        ("価格ページ3回閲覧直後", "price", 3, timedelta(0)),
        ("価格ページを３回閲覧後2日", "price", 3, timedelta(days=2)),
        ("価格ページ閲覧3回目後1日", "price", 3, timedelta(days=1)),
        ("immediately after document download", "download", 1, timedelta(0)),
        ("Right after the Price-Page View", "price", 1, timedelta(0)),
        ("after case studies download", "cases", 1, timedelta(0)),
        ("3 days after a document download", "download", 1, timedelta(days=3)),
        ("1 hour after seminar sign-up", "seminar", 1, timedelta(hours=1)),
        ("right after 3rd price page view", "price", 3, timedelta(0)),
        ("2 weeks after 3 price page views", "price", 3, timedelta(weeks=2)),
    ],
)
def test_timings(text: str, term: str, count: int, delay: timedelta) -> None:
    timing = parse_timing(text, VOCABULARY)
    assert (timing.term.id, timing.count, timing.delay) == (term, count, delay)


@pytest.mark.parametrize(
    ("text", "message", "nearest"),
    [
        ("", "the timing is empty", None),
        ("資料DL", "names a behaviour but not when", "資料DL後"),
        ("資料DR後3日", "is not understood", "資料DL後3日"),
        ("資料DL後3営業日", "is not understood", "資料DL後3日"),
        ("資料DL後0日", "a delay of 0", "直後"),
        ("資料DL後-3日", "a delay of -3", "直後"),
        ("資料DL後366日", "too long", None),
        ("価格ページ閲覧0回目後", "a count of 0", None),
        ("価格ページ閲覧101回目後", "a count of 101", None),
        ("価格ページ3回閲覧3回目後", "is not understood", "価格ページ閲覧3回目直後"),
        ("資料DL後99999999999日", "is not understood", None),
        ("3 dys after document download", "is not understood", "3 days after document download"),
        ("資料DL前3日", "is not understood", "資料DL後3日"),
    ],
)
def test_timings_that_are_refused(text: str, message: str, nearest: str | None) -> None:
    with pytest.raises(NotUnderstoodError) as refused:
        parse_timing(text, VOCABULARY)
    assert message in refused.value.message
    if nearest is not None:
        assert nearest in refused.value.nearest


WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


@given(
    word=st.sampled_from(["資料DL", "資料ダウンロード", "価格ページ閲覧", "ウェビナー申込み", "セミナー申込"]),
    number=st.integers(1, 365),
    is_wide=st.booleans(),
    spaces=st.sampled_from(["", " ", "　"]),
)
def test_width_and_spaces_never_matter(word: str, number: int, is_wide: bool, spaces: str) -> None:
    plain = parse_timing(f"{word}後{number}日", VOCABULARY)
    text = spaces.join([word, "後", str(number), "日"])
    assert parse_timing(text.translate(WIDE) if is_wide else text, VOCABULARY) == plain
    assert plain.delay == timedelta(days=number)


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_with_words(text: str) -> None:
    for parse in (lambda: parse_timing(text, VOCABULARY), lambda: parse_next_actions(text)):
        try:
            parse()
        except NotUnderstoodError as refused:
            assert refused.message


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("3日後フォローメール", (FollowUpMail(timedelta(days=3)),)),
        ("７日後にフォローアップメール", (FollowUpMail(timedelta(days=7)),)),
        ("1週間後フォローメール", (FollowUpMail(timedelta(weeks=1)),)),
        ("follow-up mail after 3 days", (FollowUpMail(timedelta(days=3)),)),
        ("営業へ通知", (NotifySales(),)),
        ("営業に自動通知", (NotifySales(),)),
        ("notify sales", (NotifySales(),)),
        ("営業フォロー", (SalesFollowUp(),)),
        ("Sales follow-up", (SalesFollowUp(),)),
        ("営業へ通知、3日後フォローメール", (NotifySales(), FollowUpMail(timedelta(days=3)))),
        *((nothing, ()) for nothing in ("—", "-", "ー", "―", "－", "–", "なし", "無し", "", " ", "none", "N/A")),
    ],
)
def test_next_actions(text: str, actions: tuple[NextAction, ...]) -> None:
    assert parse_next_actions(text) == actions


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("営業通", "営業へ通知"),
        ("3日後フォローメ", "3日後フォローメール"),
        ("0日後フォローメール", "1日後フォローメール"),
        ("folow-up mail after 3 days", "follow-up mail after 3 days"),
    ],
)
def test_next_actions_that_are_refused(text: str, nearest: str) -> None:
    with pytest.raises(NotUnderstoodError) as refused:
        parse_next_actions(text)
    assert nearest in refused.value.nearest


def test_calls_to_action() -> None:
    found = parse_cta("ウェビナー申込", VOCABULARY)
    assert found is not None and found.id == "seminar"
    assert parse_cta("—", VOCABULARY) is None
    with pytest.raises(NotUnderstoodError) as refused:
        parse_cta("事例集DR", VOCABULARY)
    assert "事例集DL" in refused.value.nearest


def test_a_word_of_two_terms_is_a_clash() -> None:
    one = Term(id="one", words=("資料DL",), selector=Selector(event="a"))
    two = Term(id="two", words=(unicodedata.normalize("NFKC", "資料ＤＬ"),), selector=Selector(event="b"))
    assert Vocabulary([one, two]).clashes == [("資料DL", one, two)]
