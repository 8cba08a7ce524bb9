"""The tutorial can be followed, step by step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, TUTORIAL, Block, read_page
from tests.docs.tutorial import StumbledError, follow

if TYPE_CHECKING:
    from pathlib import Path


def test_every_step_does_what_the_page_says(tmp_path: Path) -> None:
    blocks = read_page(ROOT / TUTORIAL).blocks
    assert follow(blocks, tmp_path, sys.executable) == 15


def sh(body: str, language: str = "sh", verb: str = "", text: str = "") -> Block:
    return Block("page", 1, language, body, verb, text)


SERVED = "http://127.0.0.1:8000/"


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([sh("exit 3")], "exit status 3"),
        ([sh("echo one"), sh("two\n", "text")], "one"),
        ([sh("x = 1", "python")], "what is to be done"),
        ([sh("one\n", "text")], "what is to be done"),
        ([sh("true", verb="serve", text=SERVED)], "does not answer"),
    ],
)
def test_a_step_that_stumbles_is_told(tmp_path: Path, blocks: list[Block], told: str) -> None:
    with pytest.raises(StumbledError, match=told):
        follow(blocks, tmp_path, sys.executable)
