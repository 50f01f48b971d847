"""What Alembic runs: the migrations on the connection that `alembic_commands` handed over."""

from alembic import context

from slipway_store.tables import METADATA


def _run() -> None:
    config = context.config
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=METADATA,
        compare_type=True,
        compare_server_default=True,
        **config.attributes.get("options", {}),
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
