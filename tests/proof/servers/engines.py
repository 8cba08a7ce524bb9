"""The database ledgers that meet processes: which there are, and where."""

from __future__ import annotations

from typing import Final

import pytest

from tests.servers import find_servers

DATABASE_LEDGER: Final = "django_inventory.ledgers.database.DatabaseLedger"
POSTGRES_LEDGER: Final = "django_inventory.ledgers.postgres.PostgresLedger"

SERVERS: Final = [name for name in ("postgresql", "mariadb") if name not in find_servers().left_out]
POSTGRES_LEDGERS: Final = [DATABASE_LEDGER, POSTGRES_LEDGER]
_LEDGERS: Final = [
    (server, ledger)
    for server in SERVERS
    for ledger in (POSTGRES_LEDGERS if server == "postgresql" else [DATABASE_LEDGER])
]


def _on(ledgers: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("alias", "ledger"),
        ledgers,
        indirect=["alias"],
        ids=[f"{engine}-{path.rpartition('.')[2]}" for engine, path in ledgers],
    )


on_servers = pytest.mark.parametrize("alias", SERVERS, indirect=True)
on_ledgers = _on(_LEDGERS)
on_all_ledgers = _on([("sqlite", DATABASE_LEDGER), *_LEDGERS])
