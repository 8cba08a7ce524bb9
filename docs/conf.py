"""Sphinx settings. Build with ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

from pathlib import Path

project = "django-inventory-ledger"
author = "django-inventory-ledger contributors"
project_copyright = author
version = release = next(
    line.split('"')[1]
    for line in Path(__file__)
    .parents[1]
    .joinpath("django_inventory/__init__.py")
    .read_text()
    .splitlines()
    if line.startswith("__version__")
)
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
