"""The HTTP API: Django REST framework views over the configured ledger (extra ``[api]``).

``path("inventory/", include("django_inventory.api.urls"))`` mounts it. Everything here parses,
calls the ledger and presents; no rule of the ledger stands here a second time.
"""
