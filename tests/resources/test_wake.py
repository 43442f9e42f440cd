"""Wake-ups: hints that never fail and never block."""

from pathlib import Path

import pytest

from clary.resources.wake import Wake


@pytest.fixture(params=["home", "a" * 200])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Also one whose path is longer than a socket's address may be."""
    folder: Path = tmp_path / request.param
    folder.mkdir()
    return folder


def test_a_poke_arrives(home: Path) -> None:
    listener = Wake(home).listen()
    Wake(home).poke("0123abcd")
    assert listener.receive(5) == ["0123abcd"]
    assert listener.receive(0.01) == []
    listener.close()


def test_a_commit_of_many_is_one_poke(home: Path) -> None:
    listener = Wake(home).listen()
    ids = [f"{number:024x}" for number in range(100)]
    Wake(home).poke(*ids)
    assert listener.receive(5) == ids
    assert listener.receive(0.01) == []
    listener.close()


def test_poking_nobody_is_fine(home: Path) -> None:
    Wake(home).poke("0123abcd")
    Wake(home).listen().close()
    Wake(home).poke("0123abcd")
    Wake(home / "none").poke("0123abcd")


def test_a_listener_that_does_not_listen_holds_nobody_up(home: Path) -> None:
    listener = Wake(home).listen()
    for _ in range(50):
        Wake(home).poke("0123abcd")
    assert listener.receive(5) == ["0123abcd"]
    listener.close()


def test_a_new_controller_takes_the_place_of_a_dead_one(home: Path) -> None:
    dead = Wake(home).listen()
    listener = Wake(home).listen()
    Wake(home).poke("0123abcd")
    assert listener.receive(5) == ["0123abcd"]
    dead.close()
    listener.close()
