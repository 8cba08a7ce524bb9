"""The README's example prints what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import transaction

README = Path(__file__).parents[1].joinpath("README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.django_db
def test_the_example_prints_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    (example,), (printed,) = blocks("python"), blocks("text")
    with transaction.atomic():
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out == printed


def test_the_example_is_short() -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line]) == 12
