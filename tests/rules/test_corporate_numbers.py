"""法人番号 are told by their check digit, and kept in thirteen digits."""

from __future__ import annotations

import pytest

from rules.corporate_numbers import corporate_number

NUMBER = "7000012050002"


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        "T7000012050002",
        "７０００-０１２０-５０００２",
        " 7000 0120 50002 ",
        "T\t7000012050002",
        "t-7000012050002",
    ],
)
def test_a_number_however_it_is_written(text: str) -> None:
    assert corporate_number(text) == NUMBER


@pytest.mark.parametrize("text", ["", "8000012050002", "700001205000", "TT7000012050002", "7000012050002a", "1e13"])
def test_what_is_none(text: str) -> None:
    assert corporate_number(text) is None
