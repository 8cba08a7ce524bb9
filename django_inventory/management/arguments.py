"""What the commands have in common on their command lines."""

from __future__ import annotations

import argparse
import re
from datetime import date, datetime, time, timedelta
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_inventory.ledgers.choice import configured_now, database_ledger
from django_inventory.ledgers.database import DatabaseLedger

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST: Final = timedelta(days=36_525)


def add_database_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--database``."""
    parser.add_argument(
        "--database", help="alias of the database; by default the configured ledger's"
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a line, for machines"
    )


def chosen_ledger(alias: str | None) -> tuple[DatabaseLedger, str]:
    """Return the ledger that a command works with, and its database.

    Raises:
        CommandError: the configured ledger keeps nothing in a database, or there is no such one.
    """
    try:
        return database_ledger(alias)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def positive_number(text: str) -> int:
    """Parse a whole number from 1."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text, re.ASCII):
        msg = f"{text!r} is no whole number from 1."
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def duration(text: str) -> timedelta:
    """Parse a duration above zero, such as 30d, 12h, 90m, 45s, 2w."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip(), re.ASCII)
    if match is None:
        msg = f"{text!r} is no duration such as 30d, 12h, 90m or 45s."
        raise argparse.ArgumentTypeError(msg)
    # Not the product itself, which may be more than a timedelta holds.
    unit = timedelta(**{UNITS[match[2]]: 1})
    length = unit * int(match[1]) if int(match[1]) <= LONGEST // unit else timedelta()
    if not length:
        msg = f"{text!r} is not above zero and at most {LONGEST.days}d."
        raise argparse.ArgumentTypeError(msg)
    return length


def seconds(text: str) -> float:
    """Parse a duration such as 30s or 5m, or a bare number of seconds."""
    bare = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII)
    length = float(text) if bare else duration(text).total_seconds()
    if not 0 < length <= LONGEST.total_seconds():
        msg = f"{text!r} is no number of seconds above zero."
        raise argparse.ArgumentTypeError(msg)
    return length


def instant(text: str) -> datetime:
    """Parse a date, a date and time, or a duration, which means so long ago.

    Without an offset, dates and times are local ones of the project's time zone.
    """
    try:
        return configured_now() - duration(text)
    except argparse.ArgumentTypeError:
        pass
    try:
        found = parse_datetime(text)
        day: date | None = None if found else parse_date(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}.") from error
    if day is not None:
        found = datetime.combine(day, time())
    if found is None:
        msg = f"{text!r} is no date, date and time, or duration: 2026-03-01, 2026-03-01T12:30Z, 7d."
        raise argparse.ArgumentTypeError(msg)
    return _like_now(found)


def _like_now(found: datetime) -> datetime:
    """Return the time aware or naive, as the ledger's clock is."""
    is_naive = timezone.is_naive(configured_now())
    if timezone.is_naive(found):
        return found if is_naive else timezone.make_aware(found)
    return timezone.make_naive(found) if is_naive else found
