"""Scans may ask for a film with boxes and maps drawn in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the language of the film."""
    for table in ("scans", "uploads"):
        with op.batch_alter_table(table) as changed:
            changed.add_column(sa.Column("film", sa.String(2)))
