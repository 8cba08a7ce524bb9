"""What a competent Django developer would write for the same durable effects.

A row for the key of a request, ``select_for_update``, ``save`` and a journal row, in one
transaction. It has less to do than the ledger: no expiry, no receipts of old requests, no sequence
in the journal.
"""
