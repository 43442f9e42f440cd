"""Signature Version 4's canonical request, rebuilt from what came over the wire. Called by `sigv4.py`."""

import re
from urllib.parse import quote, unquote_to_bytes

from clary.wire.messages import Head

PLAIN = re.compile(r"[A-Za-z0-9\-._~]*")
"""Text that needs no encoding: most names and values, so that most requests cost nothing here."""

PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9\-._~/]*)?")


def request(head: Head, path: str, signed: list[str], payload: str, without: str = "") -> str:
    """The text that is hashed. `without` names a query parameter to leave out: a presigned URL's own signature."""
    headers = "".join([f"{name}:{_value(head.named[name])}\n" for name in signed])
    return f"{head.method}\n{path}\n{query(head.query, without)}\n{headers}\n{';'.join(signed)}\n{payload}"


def object_path(path: str) -> str:
    """S3's rule: the path as it is, encoded once."""
    return path if PLAIN_PATH.fullmatch(path) else quote(unquote_to_bytes(path), safe="/~")


def service_path(path: str) -> str:
    """Everyone else's rule: dot segments and double slashes removed, then encoded once more than on the wire."""
    if PLAIN_PATH.fullmatch(path) and path and "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    for step in path.split("/"):
        if step == "..":
            del kept[-1:]
        elif step and step != ".":
            kept.append(step)
    closing = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{closing}", safe="/~")


def query(raw: str, without: str = "") -> str:
    if not raw:
        return ""
    pairs = []
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        if part and name != without:
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return text if PLAIN.fullmatch(text) else quote(unquote_to_bytes(text), safe="-_.~")


def _value(value: str) -> str:
    return " ".join(value.split()) if "  " in value or "\n" in value else value.strip()
