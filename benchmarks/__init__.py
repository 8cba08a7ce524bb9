"""How fast the ledger is, beside what it can be measured against in the same run.

``python -m benchmarks`` runs all of it, see ``README.md`` here. Nothing in ``django_inventory``
imports from here.
"""
