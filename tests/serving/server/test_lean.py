"""Hiding optional libraries."""

import sys

import pytest

from clary.serving.server.lean import hide


def test_hidden_library_looks_as_if_it_were_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.modules", dict(sys.modules))
    sys.modules.pop("wave", None)
    hide("wave")
    with pytest.raises(ModuleNotFoundError):
        __import__("wave")


def test_what_is_imported_already_stays() -> None:
    before = sys.modules["json"]
    hide("json")
    assert sys.modules["json"] is before
