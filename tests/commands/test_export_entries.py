"""``manage.py export_entries``."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_inventory import exporting
from django_inventory.exporting import COLUMNS, csv_text
from django_inventory.operations import Acquire
from tests.contract.journal import journal, on_databases, only_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_inventory.ledgers import Ledger
    from tests.commands.conftest import Said
    from tests.contract.engines import Clock, Engine

    Run = Callable[..., Said]

HEADER: Final = (
    "id,created_at,effective_at,operation_id,kind,key,subject,item,sequence,quantity_delta,"
    "on_hold_delta,quantity_after,on_hold_after,hold_id,hold_remaining,hold_expires_at,actor,"
    "reference,metadata"
)


def in_csv(said: Said) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said.out)))


def in_keys(said: Said) -> list[str]:
    return [json.loads(line)["key"] for line in said.out.splitlines()]


@on_databases
def test_every_column_has_its_exact_form(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    ledger.acquire("=1+1", "alice", "gold", 10, reference="a, b", metadata={"n": 1}, actor="bob")
    receipt = ledger.hold("k", "alice", "gold", 4, 60)
    assert receipt.hold
    clock.advance(seconds=90)
    ledger.expire_holds()
    said = run("export_entries")
    assert said.out.splitlines()[0] == HEADER == ",".join(COLUMNS)
    assert said.err == "3 entries exported.\n"
    acquired, held, expired = in_csv(said)
    lines = journal(engine)
    assert {name: acquired[name] for name in HEADER.split(",")[1:]} == {
        "created_at": "2026-03-01T12:30:15.123456+00:00",
        "effective_at": "2026-03-01T12:30:15.123456+00:00",
        "operation_id": str(lines[0].operation_id),
        "kind": "acquire",
        "key": "'=1+1",
        "subject": "alice",
        "item": "gold",
        "sequence": "1",
        "quantity_delta": "10",
        "on_hold_delta": "0",
        "quantity_after": "10",
        "on_hold_after": "0",
        "hold_id": "",
        "hold_remaining": "",
        "hold_expires_at": "",
        "actor": "bob",
        "reference": "a, b",
        "metadata": '{"n": 1}',
    }
    # A negative number stays a number.
    assert (held["quantity_delta"], held["hold_id"]) == ("-4", str(receipt.hold.id))
    assert expired["effective_at"] == "2026-03-01T12:31:15.123456+00:00"
    assert expired["created_at"] == "2026-03-01T12:31:45.123456+00:00"
    objects = [
        json.loads(line) for line in run("export_entries", "--format=jsonl").out.splitlines()
    ]
    assert [list(line) for line in objects] == [list(COLUMNS)] * 3
    assert objects[0]["key"] == "=1+1"
    assert objects[0]["metadata"] == {"n": 1}
    assert objects[0]["hold_id"] is None
    assert objects[1]["quantity_delta"] == -4
    assert objects[2]["effective_at"] == "2026-03-01T12:31:15.123456+00:00"


@on_databases
@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_neither_repeat_nor_leave_out(
    page: int,
    *,
    engine: Engine,
    ledger: Ledger,
    clock: Clock,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "PAGE", page)
    ledger.post([Acquire(f"k{n}", f"s{n}", "gold", 1) for n in range(5)])
    clock.advance(seconds=1)
    ledger.post([Acquire(f"l{n}", f"s{n}", "gold", 1) for n in range(2)])
    keys = [f"k{n}" for n in range(5)] + ["l0", "l1"]
    assert in_keys(run("export_entries", "--format=jsonl")) == keys


@on_databases
def test_a_span_of_time_begins_with_since_and_ends_before_until(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    start = clock()
    for key in "abcd":
        ledger.acquire(key, "alice", "gold", 1)
        clock.advance(timedelta(hours=1))

    def exported(*options: str) -> str:
        return "".join(in_keys(run("export_entries", "--format=jsonl", *options)))

    after = [(start + timedelta(hours=n)).isoformat() for n in range(4)]
    assert exported(f"--since={after[1]}", f"--until={after[3]}") == "bc"
    assert exported(f"--until={after[1]}") == "a"
    assert exported(f"--since={after[3]}") == "d"
    # So long ago: it is 4 hours after the start.
    assert exported("--since=3h", "--until=1h") == "bc"
    # 12:30:15 in UTC is 18:15:15 in Kathmandu, the tests' time zone.
    assert exported("--since=2026-03-01T18:16") == "bcd"
    assert exported("--since=2026-03-02") == ""
    assert exported("--since=2026-03-01") == "abcd"
    assert "no date" in run("export_entries", "--since=yesterday").failure


@only_on("postgresql")
def test_it_needs_no_server_side_cursor(engine: Engine, ledger: Ledger, run: Run) -> None:
    ledger.acquire("a", "alice", "gold", 1)
    settings = connections[str(engine.alias)].settings_dict
    settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    try:
        assert in_keys(run("export_entries", "--format=jsonl")) == ["a"]
    finally:
        settings["DISABLE_SERVER_SIDE_CURSORS"] = False


@only_on("sqlite")
def test_a_file_is_there_only_once_it_is_complete(
    engine: Engine, ledger: Ledger, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 2)
    ledger.post([Acquire(f"k{n}", "alice", "gold", 1) for n in range(5)])
    file = tmp_path / "entries.csv"

    def interrupt(execute: Any, sql: str, *arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return execute(sql, *arguments)

    file.write_text("what was there")
    with connections[str(engine.alias)].execute_wrapper(interrupt):
        said = run("export_entries", f"--output={file}")
    assert said.failure == "Stopped as asked after 0 entries; the export is not complete."
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("entries.csv", "what was there")
    ]
    run("export_entries", f"--output={file}")
    assert len(file.read_text().splitlines()) == 6
    assert list(tmp_path.iterdir()) == [file]
    assert run("export_entries", f"--output={tmp_path}/no/entries.csv").failure


@only_on("sqlite")
def test_a_reader_that_goes_away_is_no_noise(
    engine: Engine, ledger: Ledger, child: Callable[..., subprocess.Popen[str]]
) -> None:
    ledger.post([Acquire(f"k{n}", f"s{n}", "gold", 1, reference="r" * 250) for n in range(500)])
    process = child("export_entries")
    assert process.stdout
    assert process.stdout.readline() == f"{HEADER}\n"
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "")


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
        | st.sampled_from(["=1", "+1", "-1", "@a", "'", "'=1", "\t=", "\uff1d1", "", "-"]),
        min_size=1,
    )
)
def test_no_text_is_a_formula_and_none_is_lost(texts: list[str]) -> None:
    (cells,) = csv.reader(io.StringIO(csv_text([texts]), newline=""))
    assert not [
        cell for cell in cells if cell[:1] and cell[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
    ]
    assert [cell.removeprefix("'") for cell in cells] == texts


@override_settings(USE_TZ=False)
@only_on("sqlite")
def test_without_time_zones_times_are_local_and_have_no_offset(
    engine: Engine, ledger: Ledger, clock: Clock, run: Run
) -> None:
    clock.set(clock.now.replace(tzinfo=None))
    ledger.acquire("a", "alice", "gold", 1)
    assert in_csv(run("export_entries", "--since=2026-03-01T12:30"))[0]["created_at"] == (
        "2026-03-01T12:30:15.123456"
    )
    # 12:30Z is 18:15 in Kathmandu.
    assert in_csv(run("export_entries", "--since=2026-03-01T12:30Z")) == []
