"""The user's code: brought to `/opt/ml/code` and its requirements installed.

What only some jobs need is imported where they need it: the toolkit's start is part of every job's.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from clary.runtime.toolkit import failures
from clary.runtime.toolkit.job import Job

STAGED = "CLARY_SOURCE_ARCHIVE"
"""Variable naming the submit directory's archive when the platform has already laid it into the sandbox."""


def fetch(here: Job, environ: Mapping[str, str]) -> None:
    """Fill the code folder from the submit directory: an archive, a folder or an `s3://` address.

    Does nothing when the folder has content already. Raises `ImportModuleError` when the program is not in it.
    """
    if not any(here.code.iterdir()):
        _fill(here, environ)
    if not (here.code / here.program).exists() and not _is_package(here):
        raise failures.ImportModuleError(f"{here.program} is not in {here.submit_directory or here.code}")


def _fill(here: Job, environ: Mapping[str, str]) -> None:
    if staged := environ.get(STAGED):
        _unpack(Path(staged), here.code)
    elif here.submit_directory.startswith("s3://"):
        from clary.runtime.toolkit import download

        archive = here.base / "submitted.tar.gz"
        download.to_file(here.submit_directory, archive, environ)
        _unpack(archive, here.code)
        archive.unlink()
    elif here.submit_directory:
        _copy(Path(here.submit_directory), here.code)


def _copy(place: Path, target: Path) -> None:
    import shutil

    if place.is_dir():
        shutil.copytree(place, target, dirs_exist_ok=True)
    elif place.is_file():
        _unpack(place, target)
    else:
        raise failures.ImportModuleError(f"sagemaker_submit_directory {place} does not exist")


def _unpack(archive: Path, target: Path) -> None:
    from clary.runtime.archive import BadArchive, extract

    try:
        extract(archive, target)
    except (BadArchive, OSError) as error:
        raise failures.ImportModuleError(f"cannot unpack {archive.name}: {error}") from error


def _is_package(here: Job) -> bool:
    return (here.code / "setup.py").exists()


def install(here: Job, environ: Mapping[str, str]) -> None:
    """`setup.py` modules and `requirements.txt`, by pip of this interpreter."""
    requirements = here.code / "requirements.txt"
    if here.program.endswith(".sh"):
        return
    if _is_package(here):
        more = ["-r", "requirements.txt"] if requirements.exists() else []
        _pip(here, environ, ["install", ".", "-U", *more], failures.InstallModuleError)
    elif requirements.exists():
        _pip(here, environ, ["install", "-r", "requirements.txt"], failures.InstallRequirementsError)


def _pip(here: Job, environ: Mapping[str, str], words: list[str], error: type[failures.CommandFailed]) -> None:
    import subprocess

    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(
        command, cwd=here.code, env=dict(environ), stdout=None, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    sys.stderr.buffer.write(done.stderr)
    sys.stderr.flush()
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        raise error(os.fspath(" ".join(command)), done.returncode, message)
