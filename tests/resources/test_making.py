"""Records that no client has asked for."""

from pathlib import Path

import pytest

from clary.resources.kinds import Kind
from clary.resources.machine import Machine
from clary.resources.making import Scope, add, new
from clary.resources.records import Record
from clary.resources.store import NameTaken, Store
from clary.resources.wake import Wake
from clary.wire.context import Parts

JOB = Kind(noun="Job", arn="", machine=Machine(start="New", edges={"New": frozenset()}))


def test_a_record_is_its_owners_and_begins_as_its_kind_does() -> None:
    owner = Scope("1", "r")
    made = new(JOB, owner, "one", 7.0, spec={"A": 1}, due=9.0)
    assert made == Record(
        id=made.id, account="1", region="r", kind="Job", name="one", status="New", spec={"A": 1},
        created=7.0, modified=7.0, due=9.0,
    )  # fmt: skip
    other = new("Thing", made, "two", 8.0, id="own", parent="one", status="Odd")
    assert other == Record(
        id="own", account="1", region="r", kind="Thing", name="two", parent="one", status="Odd",
        created=8.0, modified=8.0,
    )  # fmt: skip


def test_the_controller_is_told_of_what_is_due_once_it_is_stored(store: Store, tmp_path: Path) -> None:
    parts, listener = Parts(store, Wake(tmp_path)), Wake(tmp_path).listen()
    due, settled = (new(JOB, Scope("1", "r"), name, 7.0, due=at) for name, at in (("due", 7.0), ("settled", None)))
    with store.write():
        add(parts, settled)
        add(parts, due, {"team": "a"})
        assert listener.receive(0.01) == []
    assert listener.receive(5) == [due.id]
    assert (store.by_id(due.id), store.tags(due.id), store.by_id(settled.id)) == (due, {"team": "a"}, settled)
    with pytest.raises(NameTaken):
        add(parts, new(JOB, due, "due", 8.0))
    listener.close()
