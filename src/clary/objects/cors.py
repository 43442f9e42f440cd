"""Cross-origin requests of browsers, by the rules that a bucket stores."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec


def matching(rules: list[dict[str, Any]], origin: str, method: str, wanted: list[str]) -> dict[str, Any] | None:
    """The first rule that allows this origin, method and these request headers."""
    for rule in rules:
        if method not in rule.get("AllowedMethods", []) or not _any(rule.get("AllowedOrigins", []), origin):
            continue
        if all(_any(rule.get("AllowedHeaders", []), name) for name in wanted):
            return rule
    return None


def _any(patterns: list[str], text: str) -> bool:
    """A pattern may hold one `*`."""
    return any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.IGNORECASE) for pattern in patterns)


def response_headers(document: bytes | None, origin: str, method: str, wanted: str = "") -> dict[str, str]:
    """What tells the browser that it may; empty when it may not."""
    if document is None:
        return {}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    rule = matching(msgspec.json.decode(document).get("CORSRules", []), origin, method, names)
    return _headers(rule, origin, wanted) if rule else {}


def _headers(rule: Mapping[str, Any], origin: str, wanted: str) -> dict[str, str]:
    everyone = "*" in rule["AllowedOrigins"]
    headers = {
        "access-control-allow-origin": "*" if everyone else origin,
        "access-control-allow-methods": ", ".join(rule["AllowedMethods"]),
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not everyone:
        headers["access-control-allow-credentials"] = "true"
    if wanted:
        headers["access-control-allow-headers"] = wanted.lower()
    if "ExposeHeaders" in rule:
        headers["access-control-expose-headers"] = ", ".join(rule["ExposeHeaders"])
    if "MaxAgeSeconds" in rule:
        headers["access-control-max-age"] = str(rule["MaxAgeSeconds"])
    return headers
