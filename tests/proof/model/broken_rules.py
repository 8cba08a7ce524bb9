"""Rules that are broken on purpose, to see that the state machine would find it.

Each breaks one line of the package, for as long as a test's ``monkeypatch`` lasts, in the way in
which that line could be wrong.
"""
# ruff: noqa: SLF001 - what is broken is inside

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from django_inventory import operations, rules
from django_inventory.ledgers import DatabaseLedger, batch
from django_inventory.values import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Breaking = Callable[[pytest.MonkeyPatch], None]


def release_returns_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    post = rules._post

    def generous(
        draft: Any, cause: Any, place: Any, quantity_delta: int, *args: Any, **kw: Any
    ) -> Any:
        return post(draft, cause, place, quantity_delta + (cause.kind == "release"), *args, **kw)

    monkeypatch.setattr(rules, "_post", generous)


def expiry_does_not_count_in_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by the query, which is built once a process.
    read = DatabaseLedger._read_balances

    def read_the_past(ledger: Any, name: Any, build: Any, values: Any, now: Any) -> Any:
        return read(ledger, name, build, values, now - timedelta(days=3_650))

    monkeypatch.setattr(DatabaseLedger, "_read_balances", read_the_past)


def hold_lives_an_instant_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rules.HoldState,
        "is_overdue",
        lambda hold, now: hold.status == "active" and hold.expires_at < now,
    )


def key_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = batch._answer

    def forgetful(request: Any, books: Any, draft: Any, outcome: Any) -> Any:
        receipt = answer(request, books, draft, outcome)
        outcome.records.pop(request.operation.key, None)
        return receipt

    monkeypatch.setattr(batch, "_answer", forgetful)


def key_of_a_refused_operation_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatabaseLedger, "_settle_claims", lambda *_: None)


def key_with_other_arguments_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations._Operation, "fingerprint", lambda _: "")


def limit_is_off_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_QUANTITY", MAX_QUANTITY + 1)


def next_expiry_never_comes_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rules,
        "_next_expiry_at",
        lambda _draft, balance, _before, after: balance.next_expiry_at or after.expires_at,
    )


def next_expiry_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatabaseLedger, "_settled", lambda *_: iter(()))


def remainder_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = rules._commit

    def whole(draft: Any, cause: Any, operation: Any) -> Any:
        return commit(draft, cause, replace(operation, keep_remainder=False))

    monkeypatch.setattr(rules, "_commit", whole)


def commit_to_somebody_consumes(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = rules._commit

    def lossy(draft: Any, cause: Any, operation: Any) -> Any:
        return commit(draft, cause, replace(operation, to=None))

    monkeypatch.setattr(rules, "_commit", lossy)


def signals_do_not_wait_for_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "on_commit", lambda call, **_: call())


def refused_operation_leaves_its_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    run = batch._run_each_alone

    def careless(requests: Any, books: Any, outcome: Any) -> None:
        run(requests, books, outcome)
        for locked in getattr(books, "balances", {}).values():
            outcome.draft.balances.setdefault(locked.state.place, locked.state)

    monkeypatch.setattr(batch, "_run_each_alone", careless)


BROKEN: Final[tuple[Breaking, ...]] = (
    release_returns_one_too_many,
    expiry_does_not_count_in_reads,
    hold_lives_an_instant_too_long,
    key_is_not_recorded,
    key_of_a_refused_operation_is_kept,
    key_with_other_arguments_replays,
    limit_is_off_by_one,
    next_expiry_never_comes_sooner,
    next_expiry_is_not_looked_up,
    remainder_is_not_kept,
    commit_to_somebody_consumes,
    signals_do_not_wait_for_the_commit,
    refused_operation_leaves_its_balance,
)
