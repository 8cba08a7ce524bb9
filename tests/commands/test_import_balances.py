"""``manage.py import_balances``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import connections

from django_inventory.models import IdempotencyRecord
from django_inventory.values import MAX_QUANTITY
from tests.contract.calls import gold
from tests.contract.journal import journal, on_databases, only_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_inventory.ledgers import Ledger
    from tests.commands.conftest import Said
    from tests.contract.engines import Engine

    Run = Callable[..., Said]

THREE: Final = "subject,item,quantity\nalice,gold,5\nbob,gold,7\nalice,iron,1\n"
NOTHING: Final = {"balances": 0, "holds": 0, "entries": 0, "keys": 0}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(content: str | bytes, name: str = "stock.csv") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


def imported(run: Run, file: str, *options: str) -> tuple[int, int, int]:
    """Return how many rows were imported, replayed and wrong."""
    said = run("import_balances", file, "--json", *options)
    assert said.failure == ""
    answer = said.json_lines[-1]
    return answer["imported"], answer["replayed"], answer["errors"]


def wrong_lines(said: Said) -> list[int]:
    return [answer["line"] for answer in said.json_lines]


@on_databases
def test_each_row_is_acquired(
    engine: Engine, ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    said = run("import_balances", write(THREE))
    assert said.out == "3 rows imported, 0 were imported before, 0 lines skipped.\n"
    assert said.err == ""
    assert ledger.balances("alice") == [gold("alice", 5), ledger.balance("alice", "iron")]
    assert ledger.balance("bob", "gold") == gold("bob", 7)
    (line, *_) = journal(engine)
    assert (line.kind, line.actor, line.reference) == ("acquire", "import_balances", "")
    assert line.metadata == {"file": "stock.csv"}
    assert line.key
    assert line.key.startswith("import:")


@on_databases
def test_an_import_is_run_again_without_effect(
    engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    file = write(THREE)
    assert imported(run, file) == (3, 0, 0)
    before = engine.dump()
    assert imported(run, file) == (0, 3, 0)
    assert engine.dump() == before
    # In another folder, in another order, with a row more in front.
    lines = THREE.splitlines()
    moved = write("\n".join([lines[0], "carol,gold,1", *lines[:0:-1]]), "later/stock.csv")
    assert imported(run, moved) == (1, 3, 0)
    # Another name: another file.
    assert imported(run, write(THREE, "other.csv")) == (3, 0, 0)


@on_databases
def test_equal_rows_all_count_and_are_found_again(
    ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    file = write("subject,item,quantity\n" + "alice,gold,5\n" * 3)
    assert imported(run, file, "--batch-size=2") == (3, 0, 0)
    assert ledger.balance("alice", "gold") == gold("alice", 15)
    assert imported(run, file) == (0, 3, 0)
    write("subject,item,quantity\n" + "alice,gold,5\n" * 4)
    assert imported(run, file) == (1, 3, 0)


@on_databases
def test_an_import_that_broke_off_is_run_again(
    engine: Engine, ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    file = write("subject,item,quantity\n" + "".join(f"s{n},gold,1\n" for n in range(5)))
    batches = iter(range(3))

    def interrupt(execute: Any, sql: str, *arguments: Any) -> Any:
        is_post = "django_inventory_post" in sql or (
            sql.startswith("INSERT") and "idempotencyrecord" in sql
        )
        if is_post and next(batches) == 1:
            signal.raise_signal(signal.SIGTERM)
        return execute(sql, *arguments)

    with connections[str(engine.alias)].execute_wrapper(interrupt):
        said = run("import_balances", file, "--batch-size=2")
    # The second batch was in hand.
    assert said.failure == (
        "Stopped as asked. 4 of 5 rows are imported; run it again for the rest."
    )
    assert engine.counts()["entries"] == 4
    assert imported(run, file) == (1, 4, 0)
    assert ledger.balance("s4", "gold") == gold("s4", 1)


BAD: Final = (
    "subject,item,quantity,reference\n"
    "alice,gold,5,\n"  # 2
    ",gold,5,\n"  # 3: no subject
    "bob,gold,0,\n"
    "bob,gold,-5,\n"
    "bob,gold,1.5,\n"
    "bob,gold,1_000,\n"
    "bob,gold,\n"  # 8: too few fields
    "\n"  # 9: empty, and left out
    '"bob","go\nld",1,\n'  # 10: a line feed in a name
    f"bob,gold,{MAX_QUANTITY + 1},\n"  # 12
    f"bob,gold,1,{'r' * 256}\n"
    "bob,gold ,1,\n"
    'bob,"gold"x,1,\n'  # 15: text after a quote
    "bob,gold,7,ok\n"
)
BAD_LINES: Final = [3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15]


@on_databases
def test_every_bad_line_is_reported_and_nothing_is_written(
    engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    file = write(BAD)
    for options in ([], ["--dry-run"], ["--batch-size=1"]):
        said = run("import_balances", file, "--json", *options)
        assert said.failure == "Wrong lines: 11; nothing was imported."
        assert wrong_lines(said) == BAD_LINES
        assert engine.counts() == NOTHING
    said = run("import_balances", file)
    assert len(said.err.splitlines()) == 11
    assert said.err.startswith("line 3: subject: ")
    assert said.out == ""


@on_databases
def test_skip_errors_imports_the_others(
    engine: Engine, ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    file = write(BAD)
    assert imported(run, file, "--skip-errors") == (2, 0, 11)
    assert ledger.balance("alice", "gold") == gold("alice", 5)
    assert ledger.balance("bob", "gold") == gold("bob", 7)
    assert imported(run, file, "--skip-errors") == (0, 2, 11)
    # Mended, the file's other lines are not imported twice.
    write("subject,item,quantity,reference\nalice,gold,5,\nbob,gold,7,ok\ncarol,gold,1,\n")
    assert imported(run, file) == (1, 2, 0)


@on_databases
def test_a_dry_run_tells_what_is_new_and_writes_nothing(
    engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    said = run("import_balances", write(THREE), "--dry-run")
    assert said.out == "3 rows are right, 3 of them new; nothing was imported.\n"
    assert engine.counts() == NOTHING
    imported(run, write(THREE))
    before = engine.dump()
    file = write(f"{THREE}carol,gold,1\n")
    assert run("import_balances", file, "--dry-run", "--json").json_lines == [
        {"rows": 4, "new": 1, "errors": 0, "dry_run": True}
    ]
    assert engine.dump() == before


@on_databases
def test_what_does_not_fit_is_wrong_before_anything_is_written(
    engine: Engine, ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    ledger.acquire("stock", "bob", "gold", 10)
    ledger.hold("reserve", "bob", "gold", 4, 60)
    before = engine.dump()
    file = write(f"subject,item,quantity\nalice,gold,1\nbob,gold,{MAX_QUANTITY - 9}\n")
    said = run("import_balances", file, "--json", "--batch-size=1")
    assert said.failure == "Wrong lines: 1; nothing was imported."
    (answer,) = said.json_lines
    assert (answer["line"], answer["code"]) == (3, "quantity_overflow")
    assert engine.dump() == before
    # Too much within the file.
    file = write(f"subject,item,quantity\nalice,gold,1\nalice,gold,{MAX_QUANTITY}\n")
    assert wrong_lines(run("import_balances", file, "--json", "--batch-size=1")) == [3]
    assert engine.dump() == before
    assert imported(run, file, "--skip-errors") == (1, 0, 1)
    # Just enough, and once more.
    file = write(f"subject,item,quantity\nbob,gold,{MAX_QUANTITY - 10}\n")
    assert imported(run, file) == (1, 0, 0)
    assert imported(run, file) == (0, 1, 0)


@only_on("sqlite")
@pytest.mark.parametrize(
    "content",
    [
        THREE.encode("utf-8-sig"),
        THREE.replace("\n", "\r\n").encode(),
        THREE.replace(",", ";").encode(),
        THREE.replace(",", "\t").encode(),
        THREE.replace(",", "|").encode(),
        THREE.replace("subject,item,quantity", "subject, item , quantity").encode(),
        THREE.rstrip("\n").encode(),
        b'"subject","item","quantity"\n"alice","gold","5"\nbob,gold," 7"\nalice,iron,1',
    ],
)
def test_csv_as_programs_write_it(
    content: bytes, ledger: Ledger, run: Run, write: Callable[..., str]
) -> None:
    assert imported(run, write(content)) == (3, 0, 0)
    assert ledger.balance("bob", "gold") == gold("bob", 7)


@only_on("sqlite")
def test_encodings(engine: Engine, ledger: Ledger, run: Run, write: Callable[..., str]) -> None:
    text = "subject,item,quantity\nalice,äpfel,5\n"
    file = write(text.encode("latin-1"))
    assert wrong_lines(run("import_balances", file, "--json")) == [2]
    assert imported(run, file, "--encoding=latin-1") == (1, 0, 0)
    file = write(text.encode("utf-16"), "wide.csv")
    assert imported(run, file, "--encoding=utf-16") == (1, 0, 0)
    assert ledger.balance("alice", "äpfel").quantity == 10
    assert "unknown encoding" in run("import_balances", file, "--encoding=klingon").failure
    file = write(text.encode("utf-16")[:-1], "cut.csv")
    assert "not in utf-16" in run("import_balances", file, "--encoding=utf-16").failure


@only_on("sqlite")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line must name the columns"),
        ("alice,gold,5\n", "first line must name the columns"),
        ("subject,item\nalice,gold\n", "first line must name the columns"),
        ("subject,item,quantity,price\n", "mean nothing: 'price'"),
        ("subject,item,quantity,item\n", "names a column twice"),
        ("\0" * 5_000_000, "first line must name the columns"),
    ],
)
def test_a_file_of_another_form_is_refused(
    content: str, message: str, engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    assert message in run("import_balances", write(content)).failure
    assert engine.counts() == NOTHING


@only_on("sqlite")
def test_a_delimiter_can_be_named(engine: Engine, run: Run, write: Callable[..., str]) -> None:
    file = write(THREE.replace(",", ":"))
    assert "first line" in run("import_balances", file).failure
    assert imported(run, file, "--delimiter=:") == (3, 0, 0)
    file = write(THREE.replace(",", "\t"), "tabs.csv")
    assert imported(run, file, "--delimiter=tab") == (3, 0, 0)
    assert "no delimiter" in run("import_balances", file, "--delimiter=ab").failure


@only_on("sqlite")
def test_an_open_quote_does_not_swallow_the_file_unseen(
    engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    file = write('subject,item,quantity\nalice,gold,1\nbob,"gold,1\ncarol,gold,1\n')
    said = run("import_balances", file, "--json")
    assert wrong_lines(said) == [3]
    assert engine.counts() == NOTHING


@only_on("sqlite")
def test_keys_live_in_the_scope_of_the_configured_ledger(
    engine: Engine, run: Run, write: Callable[..., str]
) -> None:
    imported(run, write(THREE))
    scopes = IdempotencyRecord.objects.using(engine.alias).values_list("scope", flat=True)
    assert set(scopes) == {""}
