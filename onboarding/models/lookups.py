"""Lookups of our own."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.db.models.lookups import In


@Field.register_lookup
class Among(In):
    """`in` for many values: on PostgreSQL they are one parameter, an array, and not hundreds.

    Naming, binding and quoting each value costs more than what the database does with it.
    """

    lookup_name = "among"

    def as_postgresql(
        self, compiler: Any, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """The column compared with the elements of one array."""
        column, parameters = self.process_lhs(compiler, connection)
        values = [value for value in self.rhs if value is not None]
        if not values:
            raise EmptyResultSet
        return f"{column} = ANY(%s)", [*parameters, values]
