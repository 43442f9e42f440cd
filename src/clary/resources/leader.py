"""Which of several servers of one PostgreSQL database moves its records: one leads, the others stand by.

Who leads holds a lock of the database's for as long as one connection lives, so that it ends with its process, or with
the way to its machine. One row says who led last, and what the others have to share with it. A server comes back to
what it led at once; another takes over when nobody has led for a while, as what runs on a machine is its server's.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, create_engine, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from clary.resources.database import Database
from clary.resources.tables import leader

LOCK = "hashtextextended('clary leader', 0)"
LOOK_SECONDS = 0.5
BEAT_SECONDS = 2.0
REMEMBERED_SECONDS = 1.0
TCP = "tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
"""The database lets go of the lock of a machine that went silent after about 11 seconds."""
PATIENCE = {"connect_timeout": 5, "keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 3}
"""The leader notices first that it has lost the database."""

log = logging.getLogger(__name__)


class NotShared(Exception):
    """What the servers of one database need in common they have not. The message is for whoever starts them."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A server. `key` is a fingerprint of its master key, `objects` the external S3, empty for its own disk."""

    machine: str
    url: str
    key: str
    objects: str


def machine_id(home: Path) -> str:
    """Of the home folder, which may move: drawn when it is first asked for."""
    file = home / "machine"
    if not file.exists():
        fresh = file.with_name(f".machine.{secrets.token_hex(8)}")
        fresh.write_text(secrets.token_hex(16))
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text()


def join(database: Database, member: Member) -> None:
    """Whether this server may share the database with the one that led last. Raises `NotShared`."""
    with database.write() as conn:
        conn.execute(database.insert(leader).values(id=1, **msgspec.structs.asdict(member)).on_conflict_do_nothing())
        last = _last(conn)
    if last is None or last.machine == member.machine:
        return
    if last.key != member.key:
        raise NotShared(
            f"This database belongs to the server at {last.url}, whose master key is another one. Copy "
            "secrets/master.key from its home folder into this one's, so that both know the same access keys."
        )
    if not last.objects:
        raise NotShared(
            f"The objects of this database lie on the disk of the server at {last.url}. Several servers need an "
            "external S3: set s3_endpoint there first, then here."
        )
    if last.objects != member.objects:
        raise NotShared(
            f"The objects of this database lie at {last.objects}, and s3_endpoint here says "
            f"{member.objects or 'nothing'}. It has to be the same for all servers."
        )


class Leader:
    """Who leads, for everybody else. Asks the database once a second at most."""

    def __init__(self, database: Database, machine: str) -> None:
        self._database, self._machine = database, machine
        self._known: tuple[float, Member | None] = (0.0, None)

    def elsewhere(self) -> str:
        """URL of the server that leads, or led last; empty when it is this one, or the only one."""
        if self._database.dialect != "postgresql":
            return ""
        until, last = self._known
        if time.monotonic() >= until:
            with self._database.read() as conn:
                last = _last(conn)
            self._known = (time.monotonic() + REMEMBERED_SECONDS, last)
        return "" if last is None or last.machine == self._machine else last.url


class Election:
    """One controller's part in it. `takeover`: seconds without a leader after which another one takes its place."""

    def __init__(self, database: Database, member: Member, takeover: float) -> None:
        self._database, self._member, self._takeover = database, member, takeover
        url = database.engine.url
        told = {**PATIENCE, "options": f"-c {TCP}"}
        # Of its own: a connection that comes from a pool would go back to it with the lock.
        self._engine = create_engine(url, poolclass=NullPool, connect_args=told, isolation_level="AUTOCOMMIT")

    def win(self, ended: threading.Event, others_lead: Callable[[], None]) -> Connection | None:
        """Wait until this server leads; `None` when `ended` came first. `others_lead` is called when another does."""
        told, free_since, conn = False, 0.0, None
        while not ended.is_set():
            try:
                conn = conn or self._engine.connect()
                last = _last(conn)
                mine = last is None or last.machine == self._member.machine
                taken = not _try_lock(conn)
                free_since = 0.0 if taken else free_since or time.monotonic()
                if not taken and (mine or time.monotonic() - free_since >= self._takeover):
                    self._say(conn)
                    return conn
                if not taken:
                    conn.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))
                if taken and not mine and not told:
                    log.info("the server at %s leads; standing by", last.url if last else "?")
                    others_lead()
                    told = True
            except SQLAlchemyError as error:
                # A border: the database may be away for a while.
                log.warning("cannot ask who leads: %s", error)
                conn, free_since = None, 0.0
            ended.wait(LOOK_SECONDS)
        return None

    def _say(self, conn: Connection) -> None:
        values = msgspec.structs.asdict(self._member)
        conn.execute(self._database.insert(leader).values(id=1, **values).on_conflict_do_nothing())
        conn.execute(update(leader).values(**values))
        log.info("this server leads")

    def hold(self, conn: Connection) -> None:
        """From now on this process ends as soon as it may have lost the lock: another may act in its place."""
        threading.Thread(target=_beat, args=(conn,), name="clary-leader", daemon=True).start()


def _beat(conn: Connection) -> None:
    while True:
        try:
            conn.execute(text("SELECT 1"))
        except SQLAlchemyError:
            log.critical("lost the database, and with it the lead; this controller ends")
            os._exit(1)
        time.sleep(BEAT_SECONDS)


def _try_lock(conn: Connection) -> bool:
    return bool(conn.execute(text(f"SELECT pg_try_advisory_lock({LOCK})")).scalar())


def _last(conn: Connection) -> Member | None:
    row: Any = conn.execute(select(leader)).first()
    return Member(machine=row.machine, url=row.url, key=row.key, objects=row.objects) if row else None
