"""Run migrations on the connection that `Database.upgrade` opened."""

from alembic import context

from unmask.service.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
