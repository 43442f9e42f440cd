"""`config.pbtxt`: a protocol buffer in text form, read into dictionaries and lists as its JSON form would be."""

import re
from pathlib import Path
from typing import Any

_TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\]|\\.)*"|[\[\]{}:,;]|[^\s\[\]{}:,;"#]+')
REPEATED = frozenset({"input", "output", "instance_group"})


def read(file: Path) -> dict[str, Any]:
    """Empty where there is none. Raises `ValueError` for what is not of that form."""
    if not file.is_file():
        return {}
    tokens = [token for token in _TOKEN.findall(file.read_text()) if not token.startswith("#")]
    tokens = [token for token in tokens if token not in (",", ";")]
    try:
        found, at = _message(tokens, 0, "")
    except (IndexError, RecursionError) as error:
        raise ValueError(f"{file.name} ends too early or is nested too deeply") from error
    if at < len(tokens):
        raise ValueError(f"{file.name}: unexpected {tokens[at]!r}")
    return found


def _message(tokens: list[str], at: int, end: str) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(tokens) and tokens[at] != end:
        name, at = tokens[at], at + 1
        if not name.isidentifier():
            raise ValueError(f"unexpected {name!r}")
        if tokens[at] == ":":
            at += 1
        value, at = _value(tokens, at)
        if name in REPEATED:
            found.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        elif name == "parameters" and isinstance(value, dict):
            found.setdefault(name, {})[value.get("key", "")] = value.get("value")
        else:
            found[name] = value
    if end and tokens[at] != end:
        raise ValueError(f"{end!r} is missing")
    return found, at + 1 if end else at


def _value(tokens: list[str], at: int) -> tuple[Any, int]:
    token = tokens[at]
    if token == "{":
        return _message(tokens, at + 1, "}")
    if token == "[":
        values, at = [], at + 1
        while tokens[at] != "]":
            value, at = _value(tokens, at)
            values.append(value)
        return values, at + 1
    return _scalar(token), at + 1


def _scalar(token: str) -> Any:
    if token in "{}[]:":
        raise ValueError(f"unexpected {token!r}")
    if token.startswith('"'):
        return token[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if token in ("true", "false"):
        return token == "true"
    try:
        return float(token) if "." in token else int(token)
    except ValueError:
        return token
