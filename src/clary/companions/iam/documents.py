"""Policy documents: reading them, whom a trust policy trusts, what a set of statements denies.

Pure. Permissions default to allowed here: the machine's owner gave out the keys. Only an explicit Deny says no.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal

import msgspec

from clary.wire.errors import AwsError

Statement = dict[str, Any]
Decision = Literal["allowed", "explicitDeny"]

SAGEMAKER = "sagemaker.amazonaws.com"


def statements(document: str, *, trust: bool = False) -> list[Statement]:
    """The statements of a document, a trust policy's if so said. Raises MalformedPolicyDocument."""
    try:
        read = msgspec.json.decode(document.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed("This policy contains invalid Json") from error
    found = read.get("Statement") if isinstance(read, dict) else None
    listed = [found] if isinstance(found, dict) else found
    if not isinstance(listed, list) or not listed:
        raise _malformed("Syntax errors in policy.")
    for statement in listed:
        _check(statement, trust)
    return listed


@lru_cache(maxsize=256)
def trusts(document: str, action: str, kind: Literal["AWS", "Service"], names: frozenset[str]) -> bool:
    """Whether a trust policy lets one of these principals do `action`: allowed somewhere, denied nowhere."""
    effects = {
        statement["Effect"]
        for statement in statements(document, trust=True)
        if _covers(statement, "Action", action.lower(), lower=True)
        and _is_principal(statement["Principal"], kind, names)
        and not statement.get("Condition")
    }
    return effects == {"Allow"}


def decide(found: Iterable[Statement], action: str, resource: str) -> tuple[Decision, list[str]]:
    """What the statements say of an action, and the condition keys that kept a Deny from being sure.

    No condition is evaluated: a Deny under one does not apply, and its keys are given back as missing.
    """
    missing: set[str] = set()
    for statement in found:
        if statement["Effect"] != "Deny" or not _applies(statement, action, resource):
            continue
        keys = {key for test in _mapping(statement.get("Condition")).values() for key in _mapping(test)}
        if not keys:
            return "explicitDeny", []
        missing |= keys
    return "allowed", sorted(missing)


def _check(statement: Any, trust: bool) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Syntax errors in policy.")
    if not {"Action", "NotAction"} & statement.keys():
        raise _malformed("Policy statement must contain actions.")
    if trust and "Principal" not in statement:
        raise _malformed("Missing required field Principal")
    if not trust and {"Principal", "NotPrincipal"} & statement.keys():
        raise _malformed("Policy document should not specify a principal.")
    if not trust and not {"Resource", "NotResource"} & statement.keys():
        raise _malformed("Policy statement must contain resources.")


def _applies(statement: Statement, action: str, resource: str) -> bool:
    return _covers(statement, "Action", action.lower(), lower=True) and _covers(
        statement, "Resource", resource, lower=False
    )


def _covers(statement: Statement, member: str, value: str, *, lower: bool) -> bool:
    """Whether `Action` names the value, or `NotAction` does not."""
    negated = member not in statement
    patterns = _texts(statement.get(f"Not{member}" if negated else member))
    return negated != any(glob(value, pattern.lower() if lower else pattern) for pattern in patterns)


def _is_principal(principal: Any, kind: str, wanted: frozenset[str]) -> bool:
    if principal == "*":
        return True
    named = _texts(_mapping(principal).get(kind))
    return "*" in named or not wanted.isdisjoint(named)


def glob(value: str, pattern: str) -> bool:
    """IAM's wildcards: `*` and `?` alone are special."""
    return fnmatchcase(value, re.sub(r"\[", "[[]", pattern))


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _malformed(message: str) -> AwsError:
    return AwsError(message, code="MalformedPolicyDocument", status=400)
