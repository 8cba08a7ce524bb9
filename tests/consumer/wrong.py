"""What a project with strict types must be told. Each ignore is an error that mypy has to find."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django_inventory import ledger
from django_inventory.operations import Acquire, Commit, Hold

ledger.acquire("k", "alice", "gold", "5")  # type: ignore[arg-type]
ledger.acquire("k", "alice", "gold", 5.0)  # type: ignore[arg-type]
ledger.acquire("k", "alice", 5)  # type: ignore[call-arg, arg-type]
ledger.hold("k", "alice", "gold", 5)  # type: ignore[call-arg]
ledger.commit(UUID(int=1), 5)  # type: ignore[call-arg]
ledger.balance("alice", "gold").free  # type: ignore[attr-defined]  # noqa: B018
Acquire("k", 7, "gold", 5)  # type: ignore[arg-type]
Acquire("k", "alice", "gold", Decimal(5))  # type: ignore[arg-type]
Hold("k", "alice", "gold", 5, "60")  # type: ignore[arg-type]
Commit(UUID(int=1), "bob")  # type: ignore[call-arg, arg-type]
Acquire("k", "alice", "gold", 5).quantity = 6  # type: ignore[misc]
