"""Alembic's entry point: runs on the connection that `engines.upgrade` hands over."""

from alembic import context

from receiver.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by recreating it
)
with context.begin_transaction():
    context.run_migrations()
