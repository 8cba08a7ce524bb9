"""Every code block that people are shown runs, or says why it does not."""

from __future__ import annotations

import contextlib
import io
import linecache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT, TUTORIAL, Block, Page, read_page, same_output

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = pages.pages()
DIRECTIVES = (
    "{eval-rst}",
    "{glossary}",
    "{include}",
    "{literalinclude}",
    "{toctree}",
    "{image}",
    "{figure}",
)


def is_code(block: Block) -> bool:
    return not block.language.startswith(DIRECTIVES)


def steps(page: Page) -> Iterator[tuple[Block, str | None]]:
    """Yield the Python blocks to run, each with the output that the page shows for it."""
    for number, block in enumerate(page.blocks):
        if block.verb or block.language not in {"python", "setup"}:
            continue
        after = page.blocks[number + 1] if number + 1 < len(page.blocks) else None
        is_output = after is not None and after.language == "text" and not after.verb
        yield block, after.body if after is not None and is_output else None


def left_over(page: Page) -> list[Block]:
    """Return the blocks that nothing runs and that do not say why."""
    if page.name == TUTORIAL:
        return []
    run = {id(block) for block, _ in steps(page)}
    shown = {
        id(after)
        for block, after in zip(page.blocks, page.blocks[1:], strict=False)
        if id(block) in run and after.language == "text"
    }
    excused = set(page.marks) & {"not run", "run by"}
    return [
        block
        for block in page.blocks
        if is_code(block) and not block.verb and id(block) not in run | shown and not excused
    ]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_block_runs_or_says_why_not(page: Page) -> None:
    assert [str(block) for block in left_over(page)] == []


def groups_for_an_old_pip(page: Page) -> list[Block]:
    """Return the blocks that give a dependency group to the pip that Python brought.

    That of Python 3.13.0 does not know groups yet, nor do older ones.
    """
    return [
        block
        for block in page.blocks
        if "-m venv" in block.body and "--group" in block.body.partition("-U pip")[0]
    ]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_pip_is_made_new_before_it_is_given_a_group(page: Page) -> None:
    assert [str(block) for block in groups_for_an_old_pip(page)] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_marks_hold(page: Page) -> None:
    marks = [(block.verb, block.text) for block in page.blocks if block.verb]
    for verb, text in [*marks, *page.marks.items()]:
        if verb == "run by":
            # The test must at least know the page.
            assert Path(page.name).name in (ROOT / text).read_text(), (page.name, text)
        elif verb == "not run":
            assert len(text.split()) >= 3, f"{page.name}: {text!r} is no reason"
        else:
            assert page.name == TUTORIAL


def run(page: Page) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    for block, expected in steps(page):
        said = io.StringIO()
        # On the line that it has on the page, so that a traceback leads there.
        source = "\n" * block.line + block.body
        linecache.cache[block.page] = (len(source), None, source.splitlines(keepends=True), "")
        with contextlib.redirect_stdout(said):
            exec(compile(source, block.page, "exec"), namespace)  # noqa: S102 - our own pages
        assert same_output(expected or "", said.getvalue()), (
            f"{block} says\n{said.getvalue()}\nand not\n{expected}"
        )


WITH_PYTHON = [page for page in ALL if page.name != TUTORIAL and any(steps(page))]


@pytest.mark.django_db
@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_python_runs(page: Page, settings: Any) -> None:
    # Fixtures by which a page that sets something leaves no trace.
    run(page)


def test_there_are_pages() -> None:
    names = {page.name for page in ALL}
    assert {"README.md", "docs/index.md", TUTORIAL} <= names
    assert len(WITH_PYTHON) > 12


# The checks above can fail -----------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pages, "ROOT", tmp_path)

    def write(text: str) -> Page:
        path = tmp_path / "page.md"
        path.write_text(text)
        return read_page(path)

    return write


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("```sh\nls\n```\n", 1),
        ("```\nls\n```\n", 1),
        ("1. x\n\n   ```sh\n   ls\n   ```\n", 1),
        ("<!-- not run: it lists files -->\n```sh\nls\n```\n", 0),
        ("<!-- not run: it lists files -->\n\n```sh\nls\n```\n```sh\nls\n```\n", 1),
        ("<!-- all not run: it lists files -->\n```sh\nls\n```\n", 0),
        ("```python\nprint(1)\n```\n\n```text\n1\n```\n", 0),
        ("```sh\nls\n```\n```text\n1\n```\n", 2),
        ("```{toctree}\na\n```\n", 0),
        ("````sh\n```python\n````\n", 1),
    ],
)
def test_an_unmarked_block_is_found(write: Any, text: str, number: int) -> None:
    assert len(left_over(write(text))) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("```sh\npython3 -m venv v && v/bin/pip install --group a\n```\n", 1),
        ("```sh\npython3 -m venv v && v/bin/pip install --group a -U pip\n```\n", 1),
        ("```sh\npython3 -m venv v\nv/bin/pip install -U pip\npip install --group a\n```\n", 0),
        ("```sh\npython3 -m venv v && v/bin/pip install a\n```\n", 0),
    ],
)
def test_a_group_for_an_old_pip_is_found(write: Any, text: str, number: int) -> None:
    assert len(groups_for_an_old_pip(write(text))) == number


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("```python\nprint(1)\n```\n```text\n1\n```\n", True),
        ("```python\nprint(1)\n```\n```text\n2\n```\n", False),
        ("```python\nprint(1)\n```\n", False),
        ("```python\npass\n```\n```text\n1\n```\n", False),
        ("```python\nprint(1, 23, 4)\n```\n```text\n1 ... 4\n```\n", True),
        ("<!-- setup\na = 1\n-->\n```python\nprint(a)\n```\n```text\n1\n```\n", True),
        ("```python\na = 1\n```\n\n  ```python\n  print(a)\n  ```\n```text\n1\n```\n", True),
        ("<!-- not run: it would fail -->\n```python\nfail()\n```\n", True),
    ],
)
def test_an_output_that_differs_is_found(write: Any, text: str, is_right: bool) -> None:  # noqa: FBT001 - a parameter
    with contextlib.nullcontext() if is_right else pytest.raises(AssertionError):
        run(write(text))


def test_code_that_fails_is_found_at_its_line(write: Any) -> None:
    with pytest.raises(NameError) as caught:
        run(write("# Page\n\n```python\na = 1\nfail()\n```\n"))
    assert caught.traceback[-1].lineno == 4


def test_a_mark_without_a_block_is_found(write: Any) -> None:
    with pytest.raises(ValueError, match="a mark without a block"):
        write("<!-- not run: no such thing -->\n\nText.\n")
