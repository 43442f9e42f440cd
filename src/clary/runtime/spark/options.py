"""The command line of `smspark-submit`: AWS's options, and what of them `spark-submit` is told."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

PATHS = ("jars", "py_files", "files")
"""Options that name a folder, or files separated by commas."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Exits with 2 and a usage line where AWS's program refuses. What follows the application is its own."""
    parser = argparse.ArgumentParser("smspark-submit", allow_abbrev=False, description="Run a Spark application.")
    parser.add_argument("--class", dest="class_", help="main class of a jar")
    parser.add_argument("--jars", help="folder, or list of jars for the class paths")
    parser.add_argument("--py-files", help="folder, or list of .zip, .egg or .py files for the Python path")
    parser.add_argument("--files", help="folder, or list of files for each executor's working folder")
    parser.add_argument("--spark-event-logs-s3-uri", help="where Spark itself writes its events")
    parser.add_argument("--local-spark-event-logs-dir", help="folder into which the events are copied")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("app")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    wanted = parser.parse_args(words)
    for name in PATHS:
        try:
            setattr(wanted, name, expanded(getattr(wanted, name)))
        except ValueError as error:
            parser.error(f"argument --{name.replace('_', '-')}: {error}")
    return wanted


def expanded(paths: str | None) -> str | None:
    """Folders replaced by the files in them. Raises `ValueError` for a path that is relative, or not there."""
    if not paths:
        return None
    return ",".join(name for path in paths.split(",") for name in _files(path))


def _files(path: str) -> list[str]:
    parts = urlsplit(path)
    if parts.scheme not in ("", "file"):
        return [path]
    place = Path(parts.path if parts.scheme else path)
    if not place.is_absolute():
        raise ValueError(f"{path} is not an absolute path")
    if place.is_file():
        return [str(place)]
    if not place.is_dir():
        raise ValueError(f"{path} does not exist")
    names = sorted(str(file) for file in place.iterdir() if file.is_file())
    if not names:
        raise ValueError(f"{path} holds no file")
    return names


def of_spark_submit(wanted: argparse.Namespace) -> list[str]:
    """The options that are passed on, then the application."""
    words = ["--verbose"] if wanted.verbose else []
    for name in ("class_", *PATHS):
        if value := getattr(wanted, name):
            words += [f"--{name.rstrip('_').replace('_', '-')}", value]
    return [*words, wanted.app, *wanted.arguments]
