"""Django's PostgreSQL backend, for test databases behind a PgBouncer."""
