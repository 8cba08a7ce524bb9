"""What the documentation tells people to type is what the commands take."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from django.core.management import load_command_class

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = [
    DOCS / "reference/commands.md",
    DOCS / "how-to/expire-holds-on-a-schedule.md",
    DOCS / "how-to/monitoring.md",
    DOCS / "how-to/prune.md",
]
RUN: Final = [page for page in PAGES if page.name != "expire-holds-on-a-schedule.md"]
COMMANDS: Final = (
    "expire_holds",
    "export_entries",
    "import_balances",
    "prune_idempotency_records",
    "verify_inventory",
)

DJANGO_OPTIONS: Final = {
    "-h", "--help", "--version", "-v", "--verbosity", "--settings", "--pythonpath", "--traceback",
    "--no-color", "--force-color", "--skip-checks",
}  # fmt: skip


def command_lines() -> list[str]:
    text = "\n".join(page.read_text() for page in PAGES)
    typed = re.findall(r"manage\.py ([a-z_]+(?: [^\n`|>]+)?)", text)
    listed = [
        line.replace('", "', " ").strip('"')
        for line in re.findall(r'"manage\.py", ([^\]]+)\]', text)
    ]
    return sorted({line.strip() for line in typed + listed if line.split()[0] in COMMANDS})


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_take_what_the_documentation_says(line: str) -> None:
    name, *arguments = shlex.split(line)
    command = load_command_class("django_inventory", name)
    command.create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    text = PAGES[0].read_text()
    section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
    parser = load_command_class("django_inventory", name).create_parser("manage.py", name)
    own = parser._option_string_actions.keys() - DJANGO_OPTIONS  # noqa: SLF001 - no public list
    assert {"--database"} < own
    shared = text.split("\n## ")[0]
    assert [option for option in sorted(own) if f"`{option}" not in shared + section] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_are_python(page: Path) -> None:
    for snippet in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        compile(snippet, page.name, "exec")


MANAGE: Final = """\
import sys
from django.conf import settings
from django.core.management import execute_from_command_line

database = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "db.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE"},
}
settings.configure(INSTALLED_APPS=["django_inventory"], DATABASES={"default": database})
execute_from_command_line(sys.argv)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the tables, and the file that the reference shows."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "manage.py").write_text(MANAGE)
    (stock,) = re.findall(r"```text\n(subject,.*?)```", PAGES[0].read_text(), re.DOTALL)
    (folder / "stock-2026.csv").write_text(stock)
    type_in(folder, "python manage.py migrate --verbosity 0")
    return folder


def type_in(folder: Path, lines: str) -> str:
    """Run lines of shell, of which none may fail, and return what they say."""
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'python() {{ "$PYTHON" "$@"; }}\n{lines}'],  # noqa: S607 - as it is found
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_what_people_are_told_to_type_runs(page: Path, project: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    said = [type_in(project, block) for block in blocks]

    if page == PAGES[0]:
        assert "2 rows imported, 0 were imported before, 0 lines skipped.\n" in "".join(said)
        assert {"march.csv", "entries.jsonl.gz"} <= {path.name for path in project.iterdir()}
