"""The log becomes history and statuses in Postgres."""
