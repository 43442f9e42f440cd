"""Which of several servers leads. On PostgreSQL: SQLite has one server."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, text
from tests.databases import database_of_servers, postgres

from clary.resources.database import Database
from clary.resources.leader import Election, Leader, Member, NotShared, join, machine_id

__all__ = ["postgres"]

FIRST = Member(machine="first", url="http://first:1", key="k", objects="http://store")
SECOND = msgspec.structs.replace(FIRST, machine="second", url="http://second:1")


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    database = Database(database_of_servers(postgres))
    yield database
    database.close()


def wins(database: Database, member: Member, takeover: float = 0.0) -> Connection:
    conn = Election(database, member, takeover).win(threading.Event(), lambda: None)
    assert conn is not None
    return conn


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (SECOND, ""),
        (msgspec.structs.replace(SECOND, key="else"), "secrets/master.key"),
        (msgspec.structs.replace(SECOND, objects=""), "s3_endpoint here says nothing"),
        (msgspec.structs.replace(SECOND, objects="http://other"), "s3_endpoint here says http://other"),
        (msgspec.structs.replace(FIRST, key="else", objects=""), ""),
    ],
)
def test_what_servers_have_to_share(database: Database, other: Member, word: str) -> None:
    join(database, FIRST)
    if not word:
        join(database, other)
        return
    with pytest.raises(NotShared, match=word):
        join(database, other)


def test_objects_on_a_disk_are_one_servers(database: Database) -> None:
    join(database, msgspec.structs.replace(FIRST, objects=""))
    with pytest.raises(NotShared, match="on the disk of the server at http://first:1"):
        join(database, SECOND)


def test_one_leads_until_its_connection_ends(database: Database) -> None:
    held = wins(database, FIRST)
    told, ended, won = threading.Event(), threading.Event(), []
    second = Election(database, SECOND, takeover=0.0)
    waiting = threading.Thread(target=lambda: won.append(second.win(ended, told.set)))
    waiting.start()
    assert told.wait(100)
    assert [Leader(database, machine).elsewhere() for machine in ("first", "second")] == ["", "http://first:1"]
    assert won == []
    held.close()
    waiting.join(100)
    assert [Leader(database, machine).elsewhere() for machine in ("first", "second")] == ["http://second:1", ""]
    won[0].close()


def test_who_led_last_comes_back_at_once_and_others_wait(database: Database) -> None:
    wins(database, FIRST).close()
    ended, won = threading.Event(), []
    second = Election(database, SECOND, takeover=3600.0)
    waiting = threading.Thread(target=lambda: won.append(second.win(ended, lambda: None)))
    waiting.start()
    wins(database, FIRST, takeover=3600.0).close()
    ended.set()
    waiting.join(100)
    assert won == [None]


HOLDS = """
import sys, threading, msgspec
from clary.resources.database import Database
from clary.resources.leader import Election, Member
election = Election(Database(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Member), 0.0)
election.hold(election.win(threading.Event(), lambda: None))
print("leads", flush=True)
threading.Event().wait()
"""

END_HOLDERS = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
    AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
"""


def test_whoever_loses_the_database_ends(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", HOLDS, url, msgspec.json.encode(FIRST).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout and holder.stdout.readline() == b"leads\n"
            with database.write() as conn:
                ended = [done for (done,) in conn.execute(text(END_HOLDERS))]
            assert (ended, holder.wait(60)) == ([True], 1)
        finally:
            holder.kill()
    wins(database, SECOND).close()


def test_a_machine_keeps_its_name(tmp_path: Path) -> None:
    names = {machine_id(tmp_path) for _ in range(3)}
    assert len(names) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["machine"]
