"""Run by alembic inside `migrations.upgrade`, on its connection and in its transaction."""

from alembic import context

from clary.resources.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
