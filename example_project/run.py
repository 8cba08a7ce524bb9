#!/usr/bin/env python3
"""Run the example from a checkout: ``python3 example_project/run.py [--no-serve] [--port N]``.

Needs Python 3.11 or newer with pip and venv, and nothing else. Makes a virtual environment in
``example_project/.venv``, installs the checkout into it, makes the tables and users, trades for two
days, replays the shopping and serves the site on 127.0.0.1. Running it again is safe: what is
installed already stays, and the demo adds another run. ``DATABASE_URL`` may name a PostgreSQL
database to use instead of SQLite.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent
CHECKOUT = EXAMPLE.parent
VENV = EXAMPLE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
INSTALLED = VENV / "installed"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Do all steps and return the exit status: that of the first step that failed, or 0."""
    parser = argparse.ArgumentParser(description="Run the example project.")
    parser.add_argument("--no-serve", action="store_true", help="leave out serving the site")
    parser.add_argument("--port", type=int, default=8000, help="where to serve it (default: 8000)")
    arguments = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit("The example needs Python 3.11 or newer.")
    # So that the server ends with this script: an exception makes subprocess.run end its child.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        install()
        manage("migrate", "--verbosity=0")
        manage("demo_users")
        manage("demo_trade")
        # Without DEBUG, in which Django keeps a log of all statements, at the cost of a tenth.
        manage("demo", DJANGO_DEBUG="0")
        if not arguments.no_serve:
            print(f"\nServing on http://127.0.0.1:{arguments.port}/, stop with Ctrl-C", flush=True)
            manage("runserver", "--noreload", f"127.0.0.1:{arguments.port}")
    except subprocess.CalledProcessError as error:
        return error.returncode if error.returncode > 0 else 1
    except KeyboardInterrupt:
        return 130
    return 0


def install() -> None:
    """Bring the virtual environment up to date; do nothing where it is already."""
    extras = "api"
    requirements = ["--requirement", str(EXAMPLE / "requirements.txt")]
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        extras = "api,postgres"
        requirements.append("psycopg[binary]")
    requirements += ["--editable", f"{CHECKOUT}[{extras}]"]
    wanted = fingerprint(requirements)
    if PYTHON.exists() and INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    print("Installing the example into", VENV, flush=True)
    run(sys.executable, "-m", "venv", "--clear", str(VENV))
    pip = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", *requirements)
    INSTALLED.write_text(wanted)


def fingerprint(requirements: list[str]) -> str:
    """Return what changes when another installation is needed."""
    files = [CHECKOUT / "pyproject.toml", EXAMPLE / "requirements.txt"]
    digest = hashlib.sha256(repr([sys.version, requirements]).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def manage(*arguments: str, **variables: str) -> None:
    """Run ``manage.py``, with more environment variables."""
    run(str(PYTHON), str(EXAMPLE / "manage.py"), *arguments, **variables)


def run(*command: str, **variables: str) -> None:
    """Run a command, with more environment variables but none that lead Python elsewhere.

    Raises:
        CalledProcessError: it failed.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DJANGO_SETTINGS_MODULE", "PYTHONHOME", "PYTHONPATH"}
    }
    subprocess.run(command, check=True, env=environment | variables)  # noqa: S603 - the commands above


if __name__ == "__main__":
    sys.exit(main())
