"""The routes: ``path("inventory/", include("django_inventory.api.urls"))``."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from django_inventory.api.views import (
    BalanceViewSet,
    EntryViewSet,
    HoldViewSet,
    OperationViewSet,
)

app_name = "django_inventory"

router = SimpleRouter()
router.register("balances", BalanceViewSet, basename="balance")
router.register("holds", HoldViewSet, basename="hold")
router.register("entries", EntryViewSet, basename="entry")
router.register("operations", OperationViewSet, basename="operation")

urlpatterns = router.urls
