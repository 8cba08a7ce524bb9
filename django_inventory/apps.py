"""The app as Django installs it."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoInventoryConfig(AppConfig):
    """The owned-item ledger."""

    name = "django_inventory"
    label = "django_inventory"
    verbose_name = _("Inventory")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from django_inventory import checks  # noqa: F401 - registers on import
