"""The fixtures of the commands' tests: the contract suite's engines, and commands on them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.contract.conftest import clock, engine, ledger, run_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engines import Clock, Engine

__all__ = ["clock", "engine", "ledger", "run_threads"]


@dataclass(frozen=True)
class Said:
    """What a command has written, and the text of the error that it failed with, or ""."""

    out: str
    err: str
    failure: str

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@contextmanager
def configured(engine: Engine, clock: Clock) -> Iterator[None]:
    """Make the engine's kind of ledger, its database and the test's clock the configured ones."""
    backend = type(engine.make_ledger())
    path = f"{backend.__module__}.{backend.__qualname__}"
    options = {"using": engine.alias, "clock": clock}
    with override_settings(INVENTORY={"BACKEND": path, "OPTIONS": options}):
        yield


@pytest.fixture
def run(engine: Engine, clock: Clock) -> Iterator[Callable[..., Said]]:
    """Run a command on the engine, by the test's clock."""

    def call(*arguments: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        failure = ""
        try:
            call_command(*arguments, stdout=out, stderr=err)
        except CommandError as error:
            failure = str(error)
        return Said(out.getvalue(), err.getvalue(), failure)

    with configured(engine, clock):
        yield call


@pytest.fixture
def child(engine: Engine) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start manage.py in a process of its own, on the engine's test database."""
    processes = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", *arguments, f"--database={engine.alias}"],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.commands.settings_child"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
