"""Which subjects a caller may see and name: all, or those of ``INVENTORY["API_SUBJECT_SCOPE"]``.

Owns the narrowing of reads and writes alike. What a caller may *do* is in ``permissions``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, QuerySet
from rest_framework.request import Request

from django_inventory import conf
from django_inventory.api.errors import RequestRefused
from django_inventory.arguments import check_subject

M = TypeVar("M", bound=Model)

SUBJECT_FIELDS = ("subject", "source", "destination", "to")
"""The arguments by which operations name subjects."""


@dataclass(frozen=True, slots=True)
class SubjectScope:
    """The subjects that a caller is narrowed to; None for no narrowing."""

    subjects: frozenset[str] | None

    @property
    def is_narrow(self) -> bool:
        """Tell whether there are subjects that the caller may not see."""
        return self.subjects is not None

    def narrow(self, rows: QuerySet[M], field: str) -> QuerySet[M]:
        """Leave out what concerns other subjects.

        Args:
            field: the lookup that leads from the rows to their subject.
        """
        if self.subjects is None:
            return rows
        return rows.filter(**{f"{field}__in": sorted(self.subjects)})

    def check(self, operation: object, index: int) -> None:
        """Refuse an operation that names another subject, be it as owner or as receiver.

        Args:
            operation: an operation; anything else names no subject.
            index: its position.

        Raises:
            RequestRefused: it does.
        """
        if self.subjects is None:
            return
        for field in SUBJECT_FIELDS:
            subject = getattr(operation, field, None)
            if subject is not None and subject not in self.subjects:
                raise RequestRefused(
                    "subject_forbidden",
                    f"{field}: is not one of the caller's subjects.",
                    field=field,
                    index=index,
                )


def subject_scope(request: Request) -> SubjectScope:
    """Return what the project's ``API_SUBJECT_SCOPE`` says of the caller.

    Raises:
        ImproperlyConfigured: it says something that is no collection of subjects.
    """
    find_subjects = conf.api_subject_scope()
    subjects = None if find_subjects is None else find_subjects(request)
    if subjects is None:
        return SubjectScope(None)
    # A string is a collection too, of its characters: surely not what is meant.
    if isinstance(subjects, str) or not isinstance(subjects, Collection):
        msg = "INVENTORY['API_SUBJECT_SCOPE'] must return None or a collection of subjects."
        raise ImproperlyConfigured(msg)
    return SubjectScope(frozenset(check_subject("subject", subject) for subject in subjects))
