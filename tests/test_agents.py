"""Programs are told from people by their user agents."""

from __future__ import annotations

import pytest

from agents import is_machine_agent


@pytest.mark.parametrize(
    ("agent", "is_machine"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0", True),
        ("python-requests/2.32", True),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", False),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36", False),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)", False),
        ("", False),
    ],
)
def test_a_program_is_known_by_its_name(agent: str, is_machine: bool) -> None:
    assert is_machine_agent(agent) is is_machine
