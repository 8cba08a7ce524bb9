"""The one table, which is only ever added to."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    """Something that has happened. Its number says in which order."""

    number = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=10)
    data = models.TextField()

    class Meta:
        app_label = "event_sourced"

    def __str__(self) -> str:
        return f"{self.number}: {self.kind}"
