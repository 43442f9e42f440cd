"""Spark's configuration folder: what suits the instances, and what the caller's `configuration.json` adds to it.

The caller's is a list of EMR's classifications; those of programs that do not run here are named and left out.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

GIVEN = "processing/input/conf/configuration.json"
"""Below /opt/ml."""
FILES = {
    "spark-defaults": "spark-defaults.conf",
    "spark-env": "spark-env.sh",
    "spark-log4j": "log4j2.properties",
    "spark-metrics": "metrics.properties",
    "spark-hive-site": "hive-site.xml",
    "hive-site": "hive-site.xml",
    "core-site": "core-site.xml",
}
ELSEWHERE = frozenset(
    {"hadoop-env", "hadoop-log4j", "hive-env", "hive-log4j", "hive-exec-log4j", "yarn-env", "yarn-site"}
)
"""Classifications that AWS's container knows, of programs that this one does without."""
MIB = 1024 * 1024
DAEMON_MIB = 512
LEAST_MIB = 512


class BadConfiguration(Exception):
    """The caller's configuration is not what AWS's container takes."""


def write(folder: Path, defaults: Mapping[str, str], base: Path) -> None:
    """Make the folder; the caller's word comes last, and Spark takes the last. Raises `BadConfiguration`."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [{"Classification": "spark-defaults", "Properties": dict(defaults)}, *given(base / GIVEN)]
    xml: dict[str, dict[str, str]] = {}
    for entry in entries:
        name = entry["Classification"]
        if name in ELSEWHERE:
            print(f"smspark-submit: {name} is not used here and left out", flush=True)
            continue
        file = FILES[name]
        if file.endswith(".xml"):
            xml.setdefault(file, {}).update(entry.get("Properties", {}))
            continue
        with (folder / file).open("a") as out:
            out.writelines(f"{line}\n" for line in _lines(file, entry))
    for file, properties in xml.items():
        (folder / file).write_text(_xml(properties))


def given(file: Path) -> list[dict[str, Any]]:
    """The caller's entries. Raises `BadConfiguration`."""
    if not file.is_file():
        return []
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise BadConfiguration(f"{file} is not JSON: {error}") from error
    entries = [found] if isinstance(found, dict) else found
    for entry in entries:
        name = entry.get("Classification") if isinstance(entry, dict) else None
        if name not in FILES and name not in ELSEWHERE:
            known = ", ".join(sorted({*FILES, *ELSEWHERE}))
            raise BadConfiguration(f"{name!r} is not a classification; these are: {known}")
    return list(entries)


def _lines(file: str, entry: Mapping[str, Any]) -> Iterable[str]:
    if file.endswith(".sh"):
        return [
            f"export {key}={value}"
            for inner in entry.get("Configurations", ())
            for key, value in inner.get("Properties", {}).items()
        ]
    mark = " " if file.endswith(".conf") else "="
    return [f"{key}{mark}{value}" for key, value in entry.get("Properties", {}).items()]


def _xml(properties: Mapping[str, str]) -> str:
    rows = [
        f"<property><name>{escape(str(key))}</name><value>{escape(str(value))}</value></property>"
        for key, value in properties.items()
    ]
    return "\n".join(['<?xml version="1.0"?>', "<configuration>", *rows, "</configuration>", ""])


def memory(total: int, *, alone: bool) -> tuple[int, int]:
    """MiB for the driver and for an executor, of `total` bytes of an instance.

    On one host the driver does all the work. Of several, the first holds a driver, an executor and two daemons.
    """
    whole = int(total / MIB * 0.97)
    if alone:
        return max(LEAST_MIB, int(whole * 0.8)), LEAST_MIB
    driver = max(LEAST_MIB, min(2048, whole // 4))
    return driver, max(LEAST_MIB, int((whole - driver * 1.1 - 2 * DAEMON_MIB) / 1.1))


def reaching(environ: Mapping[str, str]) -> dict[str, str]:
    """For jars that bring S3's file systems: where this server is, and that its buckets are in the path."""
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        return {}
    secure = str(endpoint.startswith("https:")).lower()
    return {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": secure,
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    }
