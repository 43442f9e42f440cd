"""Before the first worker: the model archive and the script's archive unpacked, its requirements installed."""

import logging
import subprocess
import sys

from clary.runtime.archive import extract
from clary.serving.server.config import Config

logger = logging.getLogger(__name__)


def unpack(config: Config) -> None:
    """May run again over its own result: the folders lie in the sandbox and a restarted server finds them."""
    for archive, folder in ((config.model_archive, config.model_dir), (config.code_archive, config.base / "code")):
        if archive:
            folder.mkdir(parents=True, exist_ok=True)
            extract(archive, folder)


def install_requirements(config: Config) -> None:
    """`code/requirements.txt` into `code/lib`-like folder of its own, first on the path of the workers."""
    requirements = config.code_dir / "requirements.txt"
    if not requirements.is_file():
        return
    logger.info("Installing %s", requirements)
    site = config.base / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), "-r", str(requirements)]
    subprocess.run(command, check=True)
    sys.path.insert(0, str(site))
