"""Components: of what the hubs' Applications are made, without reading the Applications."""

from __future__ import annotations

from django.db import connection

from onboarding.models import ApplicationStatus


def components() -> list[str]:
    """The components that any Application was seen to have, in alphabetical order.

    There are few of them among a hundred thousand Applications: each next one is one look into an
    index, while DISTINCT passes over all rows. Both databases lack a way to say so but this one.
    """
    table = connection.ops.quote_name(ApplicationStatus._meta.db_table)
    # Only the name of the table, which is ours, is put into the statement.
    statement = f"""
        WITH RECURSIVE known(component) AS (
            SELECT MIN(component) FROM {table}
            UNION ALL
            SELECT (SELECT MIN(component) FROM {table} WHERE component > known.component)
            FROM known WHERE known.component IS NOT NULL
        )
        SELECT component FROM known WHERE component <> ''
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [component for (component,) in cursor.fetchall()]
