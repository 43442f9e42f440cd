"""Where packages come from: pip's own configuration, passed on to uv and into sandboxes.

uv does not read pip's files. A machine that reaches its packages through a mirror, or a PyTorch for its processor
through a folder of wheels, says so to pip alone. Standard library only: `make` uses it before anything is installed.
"""

import configparser
import functools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """pip's settings that decide what is found, each as pip spells it, lists split."""

    index_url: str = ""
    extra_index_url: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_host: tuple[str, ...] = ()
    no_index: bool = False
    cert: str = ""
    proxy: str = ""
    timeout: str = ""

    def for_uv(self) -> dict[str, str]:
        """The same as variables for uv. pip looks at all indexes for the best version; uv has to be told to."""
        given = {
            "UV_DEFAULT_INDEX": self.index_url,
            "UV_INDEX": " ".join(self.extra_index_url),
            "UV_INDEX_STRATEGY": "unsafe-best-match" if self.extra_index_url else "",
            "UV_FIND_LINKS": ",".join(self.find_links),
            "UV_INSECURE_HOST": " ".join(self.trusted_host),
            "UV_NO_INDEX": "1" if self.no_index else "",
            "UV_HTTP_TIMEOUT": self.timeout,
            "SSL_CERT_FILE": self.cert,
            "HTTPS_PROXY": self.proxy,
        }
        return {name: value for name, value in given.items() if value}

    def for_pip(self) -> dict[str, str]:
        """The same as variables for a pip that sees none of this machine's files."""
        given = {
            "PIP_INDEX_URL": self.index_url,
            "PIP_EXTRA_INDEX_URL": " ".join(self.extra_index_url),
            "PIP_FIND_LINKS": " ".join(self.find_links),
            "PIP_TRUSTED_HOST": " ".join(self.trusted_host),
            "PIP_NO_INDEX": "1" if self.no_index else "",
            "PIP_DEFAULT_TIMEOUT": self.timeout,
            "PIP_CERT": self.cert,
            "PIP_PROXY": self.proxy,
        }
        return {name: value for name, value in given.items() if value}

    def folders(self) -> list[Path]:
        """Folders and files of this machine that the settings name."""
        indexes = [_whole(path) for path in map(_local, (self.index_url, *self.extra_index_url)) if path]
        others = [path for path in map(_local, (*self.find_links, self.cert)) if path]
        return [path for path in (*indexes, *others) if path.exists()]


@functools.cache
def of_this_machine() -> Indexes:
    """`configured()`, read once: every job asks."""
    return configured()


def configured(environ: Mapping[str, str] | None = None) -> Indexes:
    """What pip would use here: its files in pip's order, then `PIP_*` variables."""
    env = os.environ if environ is None else environ
    found: dict[str, str] = {}
    for file in _files(env):
        found |= _settings(file)
    found |= {name[4:].lower().replace("_", "-"): value for name, value in env.items() if name.startswith("PIP_")}
    return Indexes(
        index_url=found.get("index-url", ""),
        extra_index_url=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
        trusted_host=tuple(found.get("trusted-host", "").split()),
        no_index=found.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        cert=found.get("cert", ""),
        proxy=found.get("proxy", ""),
        timeout=found.get("timeout", found.get("default-timeout", "")),
    )


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    if env.get("PIP_CONFIG_FILE") == os.devnull:
        return
    home = Path(env.get("HOME", "/nonexistent"))
    for folder in reversed(env.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(env.get("XDG_CONFIG_HOME", home / ".config"), "pip", "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if "PIP_CONFIG_FILE" in env:
        yield Path(env["PIP_CONFIG_FILE"])


def _settings(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text())
    except (OSError, configparser.Error, UnicodeDecodeError):
        return {}
    sections = [section for section in ("global", "install") if parser.has_section(section)]
    return {name: value for section in sections for name, value in parser.items(section)}


def _whole(index: Path) -> Path:
    """An index on disk is mostly a folder `simple` with pages, whose links lead to files beside it."""
    return index.parent if index.name == "simple" and index.parent != index.parent.parent else index


def _local(place: str) -> Path | None:
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path))
    return Path(place) if place.startswith("/") else None
