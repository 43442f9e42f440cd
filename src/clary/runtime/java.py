"""The machine's Java, on which Spark's runtime runs. Looked for at every start: it may be installed at any time."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

NEEDED = frozenset({"spark"})
"""Runtime environments that need one."""
VERSIONS = (8, 11, 17)
"""Those that Spark 3.5 runs on."""
ADVICE = "install one, such as openjdk-17-jre-headless, or set JAVA_HOME"


class Java(NamedTuple):
    """`home` holds `bin/java`."""

    home: Path
    version: int


def find() -> Java | None:
    """The first that Spark runs on: of JAVA_HOME, of the path, of the usual folders."""
    return next((java for java in found() if java.version in VERSIONS), None)


def found() -> list[Java]:
    """Every Java that is here, each once, the preferred first."""
    program = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += [Path(program).resolve().parent.parent] if program else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"))
    known = dict.fromkeys(home.resolve() for home in homes if (home / "bin" / "java").is_file())
    return [Java(home, _version(home)) for home in known]


def is_missing(environment: str) -> bool:
    """Whether the runtime environment needs a Java that is not here."""
    return environment in NEEDED and find() is None


@functools.cache
def _version(home: Path) -> int:
    """17 of `17.0.15`, 8 of `1.8.0_412`, 0 where it cannot be told."""
    told = home / "release"
    text = told.read_text(errors="replace") if told.is_file() else ""
    named = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.M) or re.search(r'version "(?:1\.)?(\d+)', _said(home))
    return int(named[1]) if named else 0


def _said(home: Path) -> str:
    ran = subprocess.run([str(home / "bin" / "java"), "-version"], capture_output=True, text=True, check=False)
    return ran.stderr
