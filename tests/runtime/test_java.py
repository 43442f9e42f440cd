"""Finding a Java that Spark runs on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clary.runtime import java, sandbox


def place(folder: Path, release: str, said: str = "") -> Path:
    """A Java's home, as its packages lay it out."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    program.chmod(0o755)
    if release:
        (folder / "release").write_text(release)
    return folder


@pytest.mark.parametrize(
    ("release", "said", "version"),
    [
        ('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.15"\n', "", 17),
        ('JAVA_VERSION="1.8.0_412"\n', "", 8),
        ("", 'openjdk version "11.0.2" 2019-01-15', 11),
        ("", "", 0),
    ],
)
def test_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, said: str, version: int) -> None:
    home = place(tmp_path / "java", release, said)
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.found()[0] == (home, version)


def test_one_that_fits_is_taken_before_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    young = place(tmp_path / "young", 'JAVA_VERSION="25"\n')
    fit = place(tmp_path / "fit", 'JAVA_VERSION="17.0.1"\n')
    monkeypatch.setenv("JAVA_HOME", str(young))
    monkeypatch.setenv("PATH", f"{fit}/bin:{os.environ['PATH']}")
    assert java.find() == (fit, 17)


TRY = """
import sys
from pathlib import Path
from clary.runtime.environments import BuildFailed, Shelf
try:
    Shelf(Path(sys.argv[1])).prepare("spark")
except BuildFailed as error:
    print(error)
"""


@pytest.mark.skipif(not sandbox.works("bubblewrap"), reason="Java can be hidden by bubblewrap only")
def test_without_java_there_is_no_spark(tmp_path: Path) -> None:
    usual = ["--tmpfs", "/usr/lib/jvm"] if Path("/usr/lib/jvm").is_dir() else []
    environ = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    command = ["bwrap", "--dev-bind", "/", "/", *usual, sys.executable, "-c", TRY, str(tmp_path)]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("the spark runtime needs a Java of version 8, 11, 17 on this machine; install one")
