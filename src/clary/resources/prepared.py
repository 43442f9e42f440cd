"""Statements of the busiest paths, run on the driver's cursor: SQLAlchemy's own way costs several times SQLite's part.

`Store` and the object index keep theirs as module constants.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable


class Prepared:
    """A statement, compiled once for each dialect. Its parameters have names, and what runs it gives values by name.

    Rows are plain tuples as the driver makes them, so it suits columns of text, numbers and bytes. `columns` are those
    that an insert fills.
    """

    def __init__(self, statement: Executable, columns: Iterable[str] = ()) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, Any, dict[str, Any], dict[str, Any]]] = {}

    def all(self, conn: Connection, values: Mapping[str, Any]) -> list[Any]:
        return self._run(conn, values).fetchall()  # type: ignore[no-any-return]

    def first(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        """A row, or `None`."""
        return self._run(conn, values).fetchone()

    def change(self, conn: Connection, values: Mapping[str, Any]) -> int:
        """How many rows were changed."""
        return int(self._run(conn, values).rowcount)

    def _run(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        dialect: Any = conn.dialect
        made = self._compiled.get(dialect.name)
        if made is None:
            made = self._compiled[dialect.name] = self._compile(dialect)
        text, order, fixed, cleaners = made
        given = {**fixed, **values}
        for name, clean in cleaners.items():
            given[name] = clean(given[name])
        driver: Any = conn.connection.driver_connection
        try:
            return driver.execute(text, given if order is None else [given[name] for name in order])
        except dialect.dbapi.Error:
            # Again, by SQLAlchemy: it knows which errors mean that the pool's connections are broken.
            return conn.execute(self._statement, given)

    def _compile(self, dialect: Any) -> tuple[str, Any, dict[str, Any], dict[str, Any]]:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._columns)  # type: ignore[attr-defined]
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), compiled.positiontup, fixed, compiled._bind_processors
