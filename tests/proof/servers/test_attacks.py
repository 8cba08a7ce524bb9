"""The attacks of ACIDRain on carts, vouchers and stock, each with processes that meet.

Source: Warszawski and Bailis, "ACIDRain: Concurrency-Related Attacks on Database-Backed Web
Applications" (SIGMOD 2017, doi 10.1145/3035918.3064037).

Every race is also judged by the checker: see ``races``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from django_inventory.models import Balance
from django_inventory.operations import (
    Acquire,
    Commit,
    Consume,
    Extend,
    Hold,
    Release,
    Transfer,
)
from tests.proof.servers.engines import on_ledgers
from tests.proof.servers.history import Post, Sweep
from tests.proof.servers.races import Race, acted, codes

if TYPE_CHECKING:
    from tests.proof.servers.children import Crew

pytestmark = [pytest.mark.crowded, on_ledgers]

ROUNDS = 12
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def race(crew: Crew, alias: str, ledger: str) -> Race:
    return Race(crew, alias, ledger)


def test_oversell(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "shop", f"item-{n}", 3))
        race.add_round(*[Consume(f"{n}-{w}", "shop", f"item-{n}", 1) for w in range(4)])
    for calls in race.run():
        assert sorted(codes(calls)) == ["done", "done", "done", "insufficient_quantity"]


def test_oversell_by_bundles(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "shop", f"item-{n}", 5))
        race.add_round(
            *[
                Post(
                    (
                        Consume(f"{n}-{w}-a", "shop", f"item-{n}", 2),
                        Hold(f"{n}-{w}-b", "shop", f"item-{n}", 1, HOUR),
                    )
                )
                for w in range(4)
            ]
        )
    for calls in race.run():
        assert sorted(codes(calls)) == ["done", *["insufficient_quantity"] * 3]


def test_voucher_used_twice(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"voucher-{n}", "ann", f"voucher-{n}", 1))
        race.add_round(
            Consume(f"{n}-0", "ann", f"voucher-{n}", 1),
            Transfer(f"{n}-1", "ann", "bob", f"voucher-{n}", 1),
            Hold(f"{n}-2", "ann", f"voucher-{n}", 1, HOUR),
            Post(
                (
                    Acquire(f"{n}-3-a", "ann", "goods", 1),
                    Consume(f"{n}-3-b", "ann", f"voucher-{n}", 1),
                )
            ),
        )
    for calls in race.run():
        assert sorted(codes(calls)) == ["done", *["insufficient_quantity"] * 3]


def test_double_commit(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 4))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 4, HOUR))
        race.add_round(
            Commit(hold.id, to="bob"),
            Commit(hold.id, to="bob"),
            Commit(hold.id),
            Commit(hold.id, quantity=1, key=f"{n}-3"),
        )
    for calls in race.run():
        [winner] = acted(calls)
        others = [call for call in calls if call is not winner]
        is_bob = winner.worker in {0, 1}
        expected = ["hold_resolved", "hold_resolved", "replayed" if is_bob else "hold_resolved"]
        assert sorted(codes(others)) == sorted(expected)


def test_part_commits_never_exceed_the_hold(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 9))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 7, HOUR))
        race.add_round(
            *[
                Commit(hold.id, quantity=2, keep_remainder=True, to=f"to-{w}", key=f"{n}-{w}")
                for w in range(4)
            ]
        )
    for calls in race.run():
        assert sorted(codes(calls)) == ["done", "done", "done", "invalid_quantity"]


def test_commit_against_release(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 4))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 4, HOUR))
        race.add_round(Commit(hold.id), Release(hold.id), Commit(hold.id), Release(hold.id))
    for calls in race.run():
        [winner] = acted(calls)
        expected = ["replayed" if call.worker % 2 == winner.worker % 2 else "hold_resolved"
                    for call in calls if call is not winner]  # fmt: skip
        assert codes(call for call in calls if call is not winner) == expected


def test_commit_against_expiry(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 4))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 4, HOUR))
        race.add_round(
            (Commit(hold.id), hold.expires_at - 1 * MICROSECOND),
            (Consume(f"{n}-1", "ann", f"item-{n}", 4), hold.expires_at),
            (Commit(hold.id), hold.expires_at - 2 * MICROSECOND),
            (Transfer(f"{n}-3", "ann", "bob", f"item-{n}", 3), hold.expires_at + MICROSECOND),
        )
    for calls in race.run():
        [winner] = acted(calls)
        others = codes(call for call in calls if call is not winner)
        if winner.worker in {0, 2}:
            assert sorted(others) == ["insufficient_quantity"] * 2 + ["replayed"]
        else:
            assert sorted(others) == ["hold_expired"] * 2 + ["insufficient_quantity"]


def test_extend_against_expiry(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 4))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 4, HOUR))
        race.add_round(
            (Extend(hold.id, HOUR), hold.expires_at - 1 * MICROSECOND),
            (Consume(f"{n}-1", "ann", f"item-{n}", 4), hold.expires_at),
            (Extend(hold.id, 2 * HOUR, key=f"{n}-2"), hold.expires_at - 2 * MICROSECOND),
            (Sweep(), hold.expires_at + MICROSECOND),
        )
    for first, taker, second, sweep in race.run():
        if codes([taker]) == ["done"]:
            # The taker recorded the expiry unless the sweep did; an extend can have come before.
            assert {"hold_expired"} == set(codes([first, second]))
        else:
            assert codes([taker]) == ["insufficient_quantity"]
            assert "done" in codes([first, second])
            assert sweep.answer == 0


def test_transfer_cycles(race: Race) -> None:
    ring = ("ann", "bob", "cid", "dan")
    for subject in ring:
        race.lay_in(Acquire(f"stock-{subject}", subject, "gold", 100))
    for n in range(ROUNDS):
        turned = ring[n % 4 :] + ring[: n % 4]
        race.add_round(
            *[
                Transfer(f"{n}-{w}", turned[w], turned[(w + 1) % 4], "gold", 1 + w)
                for w in range(3)
            ],
            Post(
                tuple(
                    Transfer(f"{n}-3-{w}", turned[w], turned[w - 1], "gold", 2) for w in (2, 1, 0)
                )
            ),
        )
    for calls in race.run():
        assert codes(calls) == ["done"] * 4
    owned = Balance.objects.using(race.alias).values_list("quantity", flat=True)
    assert sum(owned) == 400


def test_key_reuse_at_once(race: Race) -> None:
    race.lay_in(Acquire("stock", "ann", "gold", 1_000))
    for n in range(ROUNDS):
        race.add_round(
            Consume(f"key-{n}", "ann", "gold", 1),
            Consume(f"key-{n}", "ann", "gold", 1),
            Consume(f"key-{n}", "ann", "gold", 2),
            Post((Acquire(f"other-{n}", "bob", "gold", 1), Acquire(f"key-{n}", "ann", "gold", 1))),
        )
    for calls in race.run():
        [winner] = acted(calls)
        others = codes(call for call in calls if call is not winner)
        if winner.worker in {0, 1}:
            assert sorted(others) == ["idempotency_conflict"] * 2 + ["replayed"]
        else:
            assert others == ["idempotency_conflict"] * 3


def test_sweep_against_everything(race: Race) -> None:
    for n in range(ROUNDS):
        race.lay_in(Acquire(f"stock-{n}", "ann", f"item-{n}", 9))
        hold = race.lay_in_hold(Hold(f"hold-{n}", "ann", f"item-{n}", 4, HOUR))
        others = (Commit(hold.id, to="bob"), Release(hold.id), Extend(hold.id, HOUR))
        in_time = hold.expires_at - MICROSECOND
        race.add_round(
            (Sweep(), hold.expires_at),
            (others[n % 3], in_time),
            (Consume(f"{n}-2", "ann", f"item-{n}", 6), hold.expires_at + MICROSECOND),
            (Sweep(), hold.expires_at + 2 * MICROSECOND),
        )
    for n, (sweep, other, taker, second) in enumerate(race.run()):
        recorded = sweep.answer + second.answer
        assert recorded <= 1
        if recorded:
            assert codes([taker]) == ["done"]
            assert codes([other]) == ["replayed" if n % 3 == 1 else "hold_expired"]
