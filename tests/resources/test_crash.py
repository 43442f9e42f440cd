"""`kill -9` of a writer: what was acknowledged is there, whole; what was not is absent or whole."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from clary.resources.query import Query
from clary.resources.store import Store

WRITER = """
import sys
from clary.resources.records import Event, Record, new_id
from clary.resources.store import Store
store, number = Store(sys.argv[1]), 0
while True:
    now = store.now()
    name = f"{sys.argv[2]}-{number}"
    names = {"account": "1", "region": "r", "kind": "Thing", "name": name}
    record = Record(id=new_id(), status="New", created=now, modified=now, **names)
    store.insert(record, tags={"writer": sys.argv[2]})
    record.status = "Done"
    store.update(record, Event(record=record.id, at=now, status="Done"))
    sys.stdout.write(name + "\\n")
    sys.stdout.flush()
    number += 1
"""


@pytest.mark.parametrize("milliseconds", [120, 333])
def test_acknowledged_writes_survive(store_url: str, milliseconds: int) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, store_url, name], stdout=subprocess.PIPE) for name in ("a", "b")
    ]
    outputs = []
    for writer in writers:
        assert writer.stdout
        outputs.append([writer.stdout.readline()])
    time.sleep(milliseconds / 1000)
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
    for writer, lines in zip(writers, outputs, strict=True):
        assert writer.stdout
        lines += writer.stdout.readlines()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
    acknowledged = {line.decode().strip() for lines in outputs for line in lines if line.endswith(b"\n")}
    store = Store(store_url)
    found = store.page(Query(kind="Thing", account="1", region="r", limit=1_000_000)).records
    assert acknowledged <= {record.name for record in found if record.status == "Done"}
    assert len(found) <= len(acknowledged) + 2
    for record in found:
        told = [event.status for event in store.events(record.id)]
        assert told == (["New", "Done"] if record.status == "Done" else ["New"])
        assert store.tags(record.id) == {"writer": record.name[0]}
    if store_url.startswith("sqlite"):
        with store.read() as conn:
            assert conn.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()
