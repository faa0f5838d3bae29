"""What every act on the outside world asks first: may we act as of this instant, and are we the only one?"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from rules.errors import ConfigurationError, Problem
from rules.models import RuleSet
from settings import LOOPBACK_HOSTS, Settings
from tasks.clients.sendgrid import SendGrid
from tasks.errors import RunError

_MADE_UP_DOMAIN = r"[@.](example\.(com|org|net|jp)|example|test|invalid)$"
NOW_TOLERANCE = timedelta(hours=1)


def check_act_instant(as_of: datetime, *, is_loopback: bool) -> None:
    """Refuse to act for an instant that is not now: replaying the past must mail nobody and call nobody.

    A host on this machine can reach nobody, so anything may be acted out against it.

    Raises:
        ConfigurationError: ``as_of`` is more than an hour from the clock.
    """
    if is_loopback or abs(datetime.now(UTC) - as_of) <= NOW_TOLERANCE:
        return
    raise ConfigurationError(
        [
            Problem(
                "--as-of",
                "",
                "acts are refused more than an hour from the clock",
                as_of.isoformat(),
                "an instant within an hour of now, or hosts on this machine (a stand-in SendGrid, a local SFA)",
                "leave --as-of out to act now; use `nurture sandbox` to act out another time",
            )
        ]
    )


@contextmanager
def only_one(settings: Settings, name: str) -> Iterator[None]:
    """Hold a lock that at most one process has; the system lets go of it when the process dies.

    That of sending stands beside the ledger, which several homes may share; the others stand in the home.

    Raises:
        RunError: Another process held it for longer than ``lock_timeout_seconds``.
    """
    folder = settings.ledger.resolve().parent if name == "send" else settings.home
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "w") as lock:
        deadline = time.monotonic() + settings.lock_timeout_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"another run is at it ({name}) for more than {settings.lock_timeout_seconds:g} s; "
                        "nothing was done here, the next run will"
                    ) from None
                time.sleep(0.1)
        yield


def mail_client(settings: Settings, rules: RuleSet | None) -> SendGrid | None:
    """The mail provider's client; None where delivery is switched off.

    Args:
        settings: The settings.
        rules: The rule set whose senders the mails come from; None where it cannot be read, and is not checked.

    Raises:
        ConfigurationError: Delivery is on; and a secret it needs is missing, or mails that reach people would offer no
            opt-out or come from a made-up company.
    """
    if settings.effective_delivery == "off":
        return None
    problems = [
        Problem(f"NURTURE_{name}", "", f"is not set, but delivery is on ({settings.effective_delivery})", hint=hint)
        for name, value, hint in (
            ("SENDGRID_API_KEY", settings.sendgrid_api_key, "set it to an API key that may send mail"),
            ("SECRET_KEY", settings.secret_key, "set it to a long random text; it signs the opt-out links"),
        )
        if value is None
    ]
    if not settings.is_sendgrid_loopback:
        problems += _unfit_for_people(settings, rules)
    if problems:
        raise ConfigurationError(problems)
    assert settings.sendgrid_api_key is not None
    return SendGrid(
        settings.sendgrid_host, settings.sendgrid_api_key.get_secret_value(), settings.sendgrid_timeout_seconds
    )


def _unfit_for_people(settings: Settings, rules: RuleSet | None) -> list[Problem]:
    """What would be wrong with mails that reach people, though they could be sent."""
    found = []
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" or parts.hostname in LOOPBACK_HOSTS:
        found.append(
            Problem(
                "NURTURE_PUBLIC_URL",
                "",
                f"nobody could opt out by its links, but delivery is on ({settings.delivery}): mailbox providers offer "
                "one-click opt-out over https only",
                settings.public_url,
                "https://… on a host that others reach",
                "set it to an address under which the opt-out page can be reached",
            )
        )
    samples = [sender.id for sender in rules.senders if re.search(_MADE_UP_DOMAIN, sender.email)] if rules else []
    if samples:
        found.append(
            Problem(
                "senders.yaml",
                "",
                f"mails would come from a made-up company, but delivery is on ({settings.delivery})",
                ", ".join(samples),
                hint="write your own company into it: the law asks every mail to show who sends it",
            )
        )
    return found
