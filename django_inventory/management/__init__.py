"""What ``manage.py`` offers: thin commands that call the ledger."""
