"""Before the first worker: the model archive and the script's archive unpacked, its requirements installed.

All of it happens inside the sandbox: a hostile archive or package harms its own instance.
"""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

from clary.runtime.archive import extract
from clary.serving.server.config import Config

ADDITIONAL = "additional-model-data-sources"
logger = logging.getLogger(__name__)


def unpack(config: Config) -> None:
    """Members and links that lead out of their folder are refused. May run again over its own result."""
    for archive, folder in ((config.model_archive, config.model_dir), (config.code_archive, config.base / "code")):
        if archive:
            extract(archive, folder)
    for archive in config.additional_archives:
        extract(archive, config.base / ADDITIONAL / archive.name.removesuffix(".tar.gz"))
    _set_aside_libraries(config)


def _set_aside_libraries(config: Config) -> None:
    """`shared_libs` of the SDKs' ModelBuilder: its script would copy them into the system's folder, which is read-only.

    `frameworks.load` loads them from where they are then.
    """
    found = config.model_dir / "shared_libs"
    if config.model_archive and found.is_dir():
        shutil.rmtree(config.libraries, ignore_errors=True)
        shutil.move(found, config.libraries)


def make_register(config: Config) -> None:
    """Empty, where the server is one of several models: nothing is loaded when it starts."""
    if config.register:
        shutil.rmtree(config.register, ignore_errors=True)
        config.register.mkdir()


def requirements(config: Config) -> Path:
    """The file that says what the user's script needs, which need not be there."""
    return config.code_dir / "requirements.txt"


def install_requirements(config: Config) -> None:
    """`code/requirements.txt`, into the instance's own layer over the shared environment.

    Raises `CalledProcessError` when pip cannot install it; pip has then said why in the log.
    """
    wanted = requirements(config)
    if not wanted.is_file():
        return
    logger.info("Installing %s", wanted)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-r", str(wanted)], check=True, cwd=config.code_dir)
