"""What every mutation carries along: reference, metadata and actor."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from django_inventory.testing.contract.notes import KEPT_METADATA, _types
from tests.contract.journal import journal

if TYPE_CHECKING:
    from django_inventory.ledgers import Ledger
    from tests.contract.engines import Engine


@pytest.mark.parametrize("metadata", KEPT_METADATA.values(), ids=KEPT_METADATA.keys())
def test_metadata_is_kept_as_it_is(
    engine: Engine, ledger: Ledger, metadata: dict[str, Any]
) -> None:
    given = copy.deepcopy(metadata)
    ledger.acquire("k", "alice", "gold", 1, metadata=given)
    kept = journal(engine)[0].metadata
    assert kept == metadata
    assert _types(kept) == _types(metadata)
    assert given == metadata
    assert ledger.acquire("k", "alice", "gold", 1, metadata=metadata).replayed
