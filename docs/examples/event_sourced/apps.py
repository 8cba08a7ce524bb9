"""The example as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class EventSourcedConfig(AppConfig):
    """So that its one table is made."""

    name = "docs.examples.event_sourced"
    label = "event_sourced"
