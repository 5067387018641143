"""How Alembic runs the steps: on the connection that it is given, in that connection's transaction."""

from alembic import context

from npubench.storage.team.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
