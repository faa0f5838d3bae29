"""Checks ``delivery.yaml``: when mails may go, and how many."""

from __future__ import annotations

import re
from collections.abc import Mapping

from holidays import list_supported_countries

from rules.business_days import NotADayError, days_between
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import Delivery, Field
from rules.names import Names, check_ids
from rules.vocabulary import folded_width

ANY_TIME = "any_time"
"""The id of the window that is always open; it always exists."""
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_MOST_DAYS = 366
_LARGEST_HOLDOUT = 0.5
_LONGEST_REST_DAYS = 3_660
_DOMAIN = re.compile(r"([^\W_]([\w-]*[^\W_])?\.)+[\w-]{2,}")


def check_delivery(
    document: Document[Delivery] | None,
    fields: tuple[Field, ...] | None,
    problems: list[Problem],
    lists: Names | None = None,
    values_of_lists: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Delivery, Names]:
    """Return when mails may go and the names of the windows, after reporting what is wrong. Without a file: always."""
    value = document.value if document is not None else Delivery()
    names = Names("window", [(ANY_TIME, "いつでも"), *((window.id, window.label) for window in value.windows)])
    if document is None:
        return value, names
    spot = document.spot(problems)
    check_ids(value.windows, spot.at("windows"), "window")
    check_ids(value.caps, spot.at("caps"), "cap")
    for position, window in enumerate(value.windows):
        here = spot.at("windows", position)
        if window.id == ANY_TIME:
            here.at("id").fault(f"the window '{ANY_TIME}' always exists", hint="choose another id")
        if not window.days:
            here.at("days").fault("a window without days never opens", hint="such as days: [mon, tue, wed, thu, fri]")
        times = [_is_time(getattr(window, key), here.at(key)) for key in ("opens", "closes")]
        if all(times) and window.opens == window.closes:
            here.at("closes").fault("a window of no length never opens", received=shown(window.closes))
    for key in ("closed", "open"):
        for position, days in enumerate(getattr(value, key)):
            try:
                days_between(days)
            except NotADayError as error:
                spot.at(key, position).fault(
                    "this is no day", received=shown(error.text), allowed="2026-12-29, or 12-29 for every year",
                    hint=error.hint,
                )  # fmt: skip
    _check_caps(value, spot)
    _check_brakes(value, spot.at("brakes"))
    _check_soft_bounces(value, spot.at("soft_bounces"))
    _check_unsubscribe_groups(value, spot.at("unsubscribe_groups"))
    if not 0 <= value.holdout_share <= _LARGEST_HOLDOUT:
        spot.at("holdout_share").fault(
            "this is not the share of a holdout", received=shown(value.holdout_share), allowed="0 to 0.5",
            hint="0.05 keeps mails from one lead in twenty",
        )  # fmt: skip
    if value.holidays is not None and value.holidays not in (countries := list_supported_countries()):
        hint = did_you_mean(value.holidays.upper(), countries) or "a code of two letters, such as JP"
        spot.at("holidays").fault("there are no holidays of this country", received=shown(value.holidays), hint=hint)
    if value.time_zone_field is not None and fields is not None:
        known_fields = [field.id for field in fields if not field.system and field.type in {"text", "choice"}]
        if value.time_zone_field not in known_fields:
            spot.at("time_zone_field").fault(
                "there is no field of text of this name",
                received=shown(value.time_zone_field),
                allowed=listed(known_fields),
                hint=did_you_mean(value.time_zone_field, known_fields) or "add it to fields.yaml",
            )
    default = value.default_window
    if default is not None:
        default = names.resolve(default, spot.at("default_window"))
    known = {
        "default_window": None if default == ANY_TIME else default,
        "block_domains": _blocked_domains(value, lists, values_of_lists or {}, spot.at("block_domains")),
    }
    return value.model_copy(update=known), names


def window_of(named: str | None, category: str, delivery: Delivery) -> str | None:
    """Return the window of a step that names one or none; None where its mail may always go.

    An answer to one's own request waits for no window unless its step names one.
    """
    if named is None:
        return delivery.default_window if category == "marketing" else None
    return None if named == ANY_TIME else named


def _is_time(text: str, spot: Spot) -> bool:
    if _TIME.fullmatch(text) is None:
        spot.fault("this is no time of day", received=shown(text), allowed='from "00:00" to "24:00"')
        return False
    return True


def _check_caps(value: Delivery, spot: Spot) -> None:
    for position, cap in enumerate(value.caps):
        here = spot.at("caps", position)
        if not 1 <= cap.mails <= 1_000:
            hint = "to send none, disable the steps" if cap.mails < 1 else ""
            here.at("mails").fault("no such number of mails", received=shown(cap.mails), allowed="1 to 1000", hint=hint)
        if not 0 < cap.within_days <= _MOST_DAYS:
            here.at("within_days").fault(
                "a cap measures some days", received=shown(cap.within_days), allowed=f"more than 0, up to {_MOST_DAYS}"
            )


def _check_brakes(value: Delivery, spot: Spot) -> None:
    brakes = value.brakes
    for key in ("complaint_rate_warns", "complaint_rate_stops", "bounce_rate_stops"):
        rate = getattr(brakes, key)
        if not 0 < rate <= 1:
            spot.at(key).fault("this is no rate", received=shown(rate), allowed="more than 0, up to 1: 0.003 is 0.3 %")
    if not 0 < brakes.within_days <= _MOST_DAYS:
        spot.at("within_days").fault(
            "rates are those of some days",
            received=shown(brakes.within_days),
            allowed=f"more than 0, up to {_MOST_DAYS}",
        )
    for key in ("from_mails", "unusual_from_mails", "unusual_times"):
        if getattr(brakes, key) < 1:
            spot.at(key).fault("this is 1 or more", received=shown(getattr(brakes, key)), allowed="1 and more")


def _check_soft_bounces(value: Delivery, spot: Spot) -> None:
    soft = value.soft_bounces
    if not 1 <= soft.mails <= 1_000:
        spot.at("mails").fault("no such number of mails", received=shown(soft.mails), allowed="1 to 1000")
    for key, most in (("within_days", _MOST_DAYS), ("rest_days", _LONGEST_REST_DAYS)):
        days = getattr(soft, key)
        if not 0 < days <= most:
            spot.at(key).fault("no such time", received=shown(days), allowed=f"more than 0, up to {most} days")


def _check_unsubscribe_groups(value: Delivery, spot: Spot) -> None:
    ids = [group.id for group in value.unsubscribe_groups]
    for position, group in enumerate(ids):
        if group < 1:
            hint = "the number SendGrid shows beside the group"
            spot.at(position, "id").fault("this is not the number of a group", received=shown(group), hint=hint)
        elif group in ids[:position]:
            spot.at(position, "id").fault(f"the group {group} stands twice", hint="a group is one kind of mail")


def _blocked_domains(
    value: Delivery, lists: Names | None, values_of_lists: Mapping[str, tuple[str, ...]], spot: Spot
) -> tuple[str, ...]:
    """The domains to block: those named, and those of the lists named."""
    domains: list[str] = []
    for position, name in enumerate(value.block_domains):
        here = spot.at(position)
        entry = folded_width(name).strip().lstrip("@")
        if "." in entry:
            found: tuple[str, ...] = (entry,)
        elif lists is None:
            continue
        else:
            found = values_of_lists.get(lists.resolve(name, here) or "", ())
        for domain in (folded_width(one).strip().lstrip("@") for one in found):
            if _DOMAIN.fullmatch(domain):
                domains.append(domain)
            else:
                here.fault(
                    "this is no mail domain", received=shown(domain),
                    allowed="such as rival.example, or a list of such domains",
                )  # fmt: skip
    return tuple(dict.fromkeys(domains))
