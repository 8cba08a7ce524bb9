"""The API by way of its description alone: attacked by Schemathesis, used by a generated client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api.live.conftest import ROOT

if TYPE_CHECKING:
    from tests.api.live.conftest import Site

HERE = Path(__file__).parent
EXAMPLES = 3
"""How many requests Schemathesis makes up for each route and phase; a CI run must end."""

CLIENT = """
import sys
from inventory_client import AuthenticatedClient
from inventory_client.api.inventory import (
    inventory_acquire,
    inventory_commit,
    inventory_hold,
    inventory_holds_retrieve,
)
from inventory_client.models import (
    InventoryAcquireRequest,
    InventoryCommitRequest,
    InventoryHold,
    InventoryHoldRequest,
    InventoryProblem,
    InventoryReceipt,
)

url, token = sys.argv[1:]
with AuthenticatedClient(base_url=url, token=token, prefix="Token") as client:
    body = InventoryAcquireRequest(subject="mill", item="flour", quantity=9)
    acquired = inventory_acquire.sync(client=client, body=body, idempotency_key='"harvest"')
    assert isinstance(acquired, InventoryReceipt), acquired
    assert acquired.balances[0].quantity == 9

    body = InventoryHoldRequest(subject="mill", item="flour", quantity=4, ttl=600)
    held = inventory_hold.sync_detailed(client=client, body=body, idempotency_key='"bread"')
    assert held.status_code == 201
    assert isinstance(held.parsed, InventoryReceipt), held
    assert held.parsed.hold.status == "active"
    hold_id = held.parsed.hold.id

    body = InventoryCommitRequest(to="baker")
    committed = inventory_commit.sync(hold_id, client=client, body=body)
    assert isinstance(committed, InventoryReceipt), committed
    assert [(b.subject, b.quantity, b.on_hold) for b in committed.balances] == [
        ("mill", 5, 0),
        ("baker", 4, 0),
    ]
    found = inventory_holds_retrieve.sync(hold_id, client=client)
    assert isinstance(found, InventoryHold), found
    assert found.status == "committed"

    body = InventoryHoldRequest(subject="mill", item="flour", quantity=6, ttl=600)
    refused = inventory_hold.sync(client=client, body=body, idempotency_key='"cake"')
    assert isinstance(refused, InventoryProblem), refused
    assert refused.code == "insufficient_quantity"
    assert refused.shortages[0].available == 5
"""


def test_schemathesis_finds_nothing(fresh_site: Site, tmp_path: Path) -> None:
    # In one thread: where several parse Python at once, some of CPython 3.11's stumble.
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{fresh_site.url}/schema/"),
            *("--header", f"Authorization: Token {fresh_site.token('clerk')}"),
            *("--checks", "all", "--max-examples", str(EXAMPLES)),
            *("--generation-deterministic", "--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api.live.hooks",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "Tested: 14" in finished.stdout


def test_a_generated_client_makes_a_hold_and_commits_it(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    # No formatter after it: the client is to be run, not to be read.
    config.write_text("package_name_override: inventory_client\npost_hooks: []\n")
    client = tmp_path / "inventory_client"
    generated = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", str(ROOT / "docs" / "openapi.yaml"), "--config", str(config)),
            *("--meta", "none", "--output-path", str(client)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert generated.returncode == 0, generated.stdout + generated.stderr

    used = subprocess.run(
        [sys.executable, "-c", CLIENT, site.url, site.token("clerk")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert used.returncode == 0, used.stderr
