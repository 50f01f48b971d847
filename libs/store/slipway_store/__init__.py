"""The Postgres projection: tables, migrations, queries."""
