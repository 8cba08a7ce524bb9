"""The settings of the tests without their servers: for mypy and makemigrations."""

from __future__ import annotations

from typing import Any

SECRET_KEY = "not a secret: it is the tests'"  # noqa: S105 - protects nothing

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_inventory",
]

DATABASES: dict[str, Any] = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}

# Far from UTC, so that a local time taken for UTC is seen.
TIME_ZONE = "Asia/Kathmandu"
USE_TZ = True
