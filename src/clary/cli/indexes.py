"""pip's configured package sources, told to uv, which does not read pip's configuration.

Standard library only: `make` runs this file as a script, before anything is installed, to start uv itself.
"""

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

OPTIONS = {"index-url": "UV_DEFAULT_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}
"""pip's option and uv's variable. Extra indexes are left out: pip takes the best version of all of them, uv the first
index that knows the name, so an incomplete extra index would hide the default one."""


def uv_variables() -> dict[str, str]:
    """Variables for uv; those already set by the user stay as they are."""
    configured = _pip_configuration()
    wanted = {variable: configured[option] for option, variable in OPTIONS.items() if option in configured}
    if "UV_FIND_LINKS" in wanted:
        wanted["UV_FIND_LINKS"] = ",".join(wanted["UV_FIND_LINKS"].split())
    return {variable: value for variable, value in wanted.items() if variable not in os.environ}


def _pip_configuration() -> dict[str, str]:
    """Option to value, read where pip reads: the machine's file, the user's files, then `PIP_*` variables.

    Not asked of pip itself: environments made by uv have none.
    """
    files = ConfigParser(interpolation=None, strict=False)
    files.read(_files(), encoding="utf-8")
    found = {option: files[section][option] for section in files.sections() for option in files[section]}
    variables = {f"PIP_{option.upper().replace('-', '_')}": option for option in OPTIONS}
    return found | {option: os.environ[name] for name, option in variables.items() if name in os.environ}


def _files() -> list[Path]:
    home = Path.home()
    users = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    usual = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", users / "pip/pip.conf"]
    return [*usual, Path(os.environ["PIP_CONFIG_FILE"])] if "PIP_CONFIG_FILE" in os.environ else usual


def main(folder: Path, arguments: list[str]) -> None:
    """Become uv, from a private environment in `folder` that is made on first use."""
    program = folder / "bin" / "uv"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"], check=True)
    os.execve(program, [str(program), *arguments], os.environ | uv_variables())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
