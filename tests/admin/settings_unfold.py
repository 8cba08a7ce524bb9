"""The tests' settings with the theme django-unfold, on the database that the environment names."""

from __future__ import annotations

import os

from tests.settings_static import *  # noqa: F403 - the same settings, but for what follows
from tests.settings_static import INSTALLED_APPS as PLAIN_APPS

INSTALLED_APPS = ["unfold", *PLAIN_APPS]
ROOT_URLCONF = "tests.admin.urls"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("UNFOLD_DATABASE", ":memory:"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
