"""The code blocks of the README and the documentation, and what is to be done with each.

Owns the marks, which are HTML comments on the line before a block:

- ``<!-- not run: reason -->``: it is not executed, for this reason.
- ``<!-- run by: tests/... -->``: that test executes it.
- ``<!-- file: path -->``, ``<!-- append: path -->``: the content of a file, or its end.
- ``<!-- serve: address -->``: a server, which is asked for that address and stopped.

``<!-- all not run: reason -->`` and ``<!-- all run by: tests/... -->`` say it of a whole page, but
for its Python. ``<!-- setup`` opens a comment with Python that the page's blocks need and a reader
does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TUTORIAL: Final = "docs/tutorial.md"

_PART: Final = re.compile(
    r"^(?P<setup><!-- setup\n(?P<code>.*?)^-->)"
    r"|^(?P<fence>(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\n`]*)\n(?P<body>.*?)^ *(?P=ticks)$)"
    r"|^(?P<mark> *<!-- (?P<all>all )?(?P<verb>not run|run by|file|append|serve): (?P<text>[^\n]*?)"
    r" -->$)",
    re.DOTALL | re.MULTILINE,
)


@dataclass
class Block:
    """One fenced block of a page, or a piece of its hidden setup.

    Attributes:
        verb, text: of the mark before it; empty where there is none.
    """

    page: str
    line: int
    language: str
    body: str
    verb: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"


@dataclass
class Page:
    """One page and its blocks, in order.

    Attributes:
        marks: what it says of all its blocks, by verb.
    """

    name: str
    blocks: list[Block] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)


def read_page(path: Path) -> Page:
    """Read the blocks of a page and their marks.

    Raises:
        ValueError: a mark stands before nothing.
    """
    text = path.read_text()
    page = Page(str(path.relative_to(ROOT)))
    mark: re.Match[str] | None = None
    for part in _PART.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        if part["mark"] and part["all"]:
            page.marks[part["verb"]] = part["text"]
        elif part["mark"]:
            mark = part
        elif part["setup"]:
            page.blocks.append(Block(page.name, line, "setup", part["code"]))
        else:
            indent = len(part["indent"])
            body = "".join(row[indent:] or "\n" for row in part["body"].splitlines(keepends=True))
            block = Block(page.name, line, part["language"].strip(), body)
            if mark is not None and not text[mark.end() : part.start()].strip():
                block.verb, block.text = mark["verb"], mark["text"]
                mark = None
            page.blocks.append(block)
    if mark is not None:
        msg = f"{page.name}: a mark without a block: {mark[0]}"
        raise ValueError(msg)
    return page


def pages() -> list[Page]:
    """Read all pages that the project shows to people."""
    paths = [
        *ROOT.glob("*.md"),
        ROOT / "benchmarks/README.md",
        ROOT / "example_project/README.md",
        *(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts),
    ]
    return [read_page(path) for path in sorted(paths)]


def same_output(expected: str, found: str) -> bool:
    """Tell whether an output is as shown; ``...`` in what is shown stands for anything."""
    pattern = ".*".join(map(re.escape, expected.strip().split("...")))
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None
