"""LocalBackend on each rung of the sandbox ladder that this machine offers."""

from pathlib import Path

import pytest
from tests.runtime.backend_conformance import SLOTS, BackendConformance

from clary.runtime import sandbox
from clary.runtime.backend import Backend
from clary.runtime.local import LocalBackend
from clary.runtime.sandbox import Rung


class OnRung(BackendConformance):
    rung: Rung

    def backend(self, home: Path) -> Backend:
        if not sandbox.works(self.rung):
            pytest.skip(f"this machine does not allow {self.rung}")
        return LocalBackend(home, rung=self.rung, slots=SLOTS)


class TestBubblewrap(OnRung):
    rung = "bubblewrap"


class TestNamespaces(OnRung):
    rung = "namespaces"


class TestPlain(OnRung):
    rung = "plain"
    sandboxed = False
