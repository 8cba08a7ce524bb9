"""A ledger that keeps nothing but events: the worked example of a ledger of one's own."""
