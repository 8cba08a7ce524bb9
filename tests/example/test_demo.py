"""The demo replays shopping on the ledger, counts it again, and can tell when it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.example.conftest import Example

TAMPERING = """
from django.db import connection
from django_inventory.ledgers import DatabaseLedger
from shop.replay import Replay

play = Replay.play

def play_and_tamper(replay, *args):
    play(replay, *args)
    tamper(replay)

def change(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount == 1, cursor.rowcount

Replay.play = play_and_tamper
"""


def test_the_ledger_ends_with_the_totals_of_the_file(example: Example) -> None:
    finished = example.manage("demo")

    assert finished.returncode == 0, finished.stderr
    assert "24 baskets" in finished.stdout
    assert "numbers, 0 differences" in finished.stdout
    assert "Oversell: refused. Not enough: 'run-1/store:367' has" in finished.stdout
    assert "on SQLite: " in finished.stdout
    assert "100 % of" in finished.stderr


def test_every_replay_is_a_run_of_its_own(example: Example) -> None:
    assert example.manage("demo", "--limit", "10").returncode == 0
    again = example.manage("demo", "--limit", "10")

    assert again.returncode == 0, again.stderr
    assert "run-2: " in again.stdout


def test_a_run_is_not_replayed_over(example: Example) -> None:
    assert example.manage("demo", "--limit", "10", "--run", "monday").returncode == 0
    again = example.manage("demo", "--limit", "10", "--run", "monday")

    assert again.returncode == 1
    assert "There is a run 'monday' in the ledger already" in again.stderr


@pytest.mark.parametrize(
    ("tamper", "difference"),
    [
        pytest.param(
            "change('UPDATE django_inventory_balance SET quantity = quantity + 1 WHERE id = 1')",
            "free quantity of run-1/store:367",
            id="balance",
        ),
        pytest.param(
            "change('UPDATE django_inventory_entry SET quantity_delta = quantity_delta + 1,"
            " quantity_after = quantity_after + 1 WHERE id = 1')",
            "sum of the journal of run-1/store:367",
            id="journal",
        ),
        pytest.param(
            "change(\"UPDATE django_inventory_hold SET status = 'released' WHERE id ="
            " (SELECT min(id) FROM django_inventory_hold WHERE status = 'committed')\")",
            "holds: committed",
            id="hold",
        ),
        pytest.param(
            'DatabaseLedger().acquire("gift", "run-1/household:0", "product:0", 1)',
            "free quantity of run-1/household:0 product:0: 0 expected, 1 found",
            id="household the file has not",
        ),
        pytest.param(
            "replay.ledger.post(next(iter(replay._deliveries({'0': 1}, None))).operations())",
            "entries: acquire",
            id="product the file has not",
        ),
    ],
)
def test_a_ledger_that_was_tampered_with_is_told(
    example: Example, tamper: str, difference: str
) -> None:
    finished = example.manage("demo", before=f"{TAMPERING}\ndef tamper(replay):\n    {tamper}\n")

    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert difference in finished.stderr


def test_a_file_with_one_line_more_than_was_replayed_is_told(example: Example) -> None:
    append = (
        "with settings.SHOPPING_CSV.open('r+') as file:\n"
        "        last = file.readlines()[-1].split(',')\n"
        "        file.write(','.join([last[0], last[1], '1', '1', last[4]]))"
    )
    finished = example.manage("demo", before=f"{TAMPERING}\ndef tamper(replay):\n    {append}\n")

    assert finished.returncode == 1
    assert "product:1: 1 expected, 0 found" in finished.stderr
    assert "quantity sold" in finished.stderr


def test_a_ledger_that_counts_what_is_sent_twice_is_told(example: Example) -> None:
    forget_keys = """
from shop.replay import Replay

send = Replay._send

def send_under_new_keys(replay, message):
    replay.ledger = replay.ledger.scoped(f"{message.name} {message.sent_at}")
    send(replay, message)

Replay._send = send_under_new_keys
"""
    finished = example.manage("demo", before=forget_keys)

    assert finished.returncode == 1
    assert "sent again, it got another answer" in finished.stderr
    assert "Not enough: " in finished.stderr
    assert "differs" in finished.stdout
