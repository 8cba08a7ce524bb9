"""The app of the textbook service."""

from django.apps import AppConfig


class TextbookConfig(AppConfig):
    """The app of the textbook service; its tables are made without migrations."""

    name = "benchmarks.textbook"
