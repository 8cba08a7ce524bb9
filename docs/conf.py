"""Sphinx settings. Build with ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import generate  # noqa: E402 - from here

from django_inventory import __version__  # noqa: E402 - from the checkout

# The reference shows the docstrings of modules that need Django's settings.
generate.setup()

project = "django-inventory-ledger"
author = "django-inventory-ledger contributors"
project_copyright = author
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
# So that a line of code of 88 characters fits.
html_theme_options = {"light_css_variables": {"code-font-size": "0.8rem"}}
html_title = f"{project} {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_custom_sections = ["Locks", "Source"]
