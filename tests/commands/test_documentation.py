"""What the documentation tells people to type is what the commands take."""

from __future__ import annotations

import re
import shlex
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
