"""Hiding optional libraries while another one is imported."""

import sys

import pytest

from clary.serving.server.lean import without


def test_hidden_inside_and_back_afterwards() -> None:
    sys.modules.pop("wave", None)
    with without("wave"), pytest.raises(ImportError):
        import wave
    import wave

    assert wave.open


def test_what_is_imported_already_stays() -> None:
    import json

    with without("json"):
        assert sys.modules["json"] is json
