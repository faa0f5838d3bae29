"""Tokens are byte for byte those of itsdangerous, and nobody else's are read."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadSignature, URLSafeSerializer

from tokens import TextSigner, payloads_of

IDS = [f"S{hashlib.md5(str(number).encode()).hexdigest()[:24]}" for number in range(2_000)]


@pytest.mark.parametrize("secret", ["bench", "a secret longer than a block of the hash " * 4, "秘密"])
def test_tokens_of_send_ids_are_those_of_itsdangerous(secret: str) -> None:
    sign = TextSigner(secret, "unsubscribe")
    theirs = URLSafeSerializer(secret, salt="unsubscribe")
    assert [sign(one) for one in IDS] == sign.tokens(payloads_of(IDS)) == [theirs.dumps(one) for one in IDS]


@given(st.lists(st.text(max_size=50), max_size=5))
def test_many_are_signed_as_each_of_them(texts: list[str]) -> None:
    sign = TextSigner("secret", "unsubscribe")
    assert sign.tokens(payloads_of(texts)) == [sign(one) for one in texts]


@given(st.text(max_size=200))
def test_whatever_is_signed_is_read_back_by_itsdangerous(text: str) -> None:
    token = TextSigner("secret", "unsubscribe")(text)
    assert URLSafeSerializer("secret", salt="unsubscribe").loads(token) == text


def test_a_token_for_another_purpose_or_of_another_key_is_none() -> None:
    token = TextSigner("secret", "unsubscribe")(IDS[0])
    for secret, salt, altered in (
        ("secret", "lead", token), ("other", "unsubscribe", token), ("secret", "unsubscribe", token[:-1]),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            URLSafeSerializer(secret, salt=salt).loads(altered)
