"""The errors of the common verbs, in each kind's own code and words."""

from clary.resources.kinds import Kind
from clary.resources.records import Record
from clary.wire.errors import AwsError


def missing(kind: Kind, name: str, arn: str = "") -> AwsError:
    return _error(kind, kind.missing, name=name, arn=arn)


def taken(kind: Kind, name: str, arn: str) -> AwsError:
    return _error(kind, kind.exists, name=name, arn=arn)


def refused(kind: Kind, record: Record, target: str) -> AwsError:
    """For a status that does not lead to `target`."""
    allowed = ", ".join(sorted(status for status, after in kind.machine.edges.items() if target in after))
    names = {"name": record.name, "arn": record.arn, "status": record.status, "target": target, "allowed": allowed}
    return _error(kind, kind.refused, **names)


def _error(kind: Kind, form: tuple[str, str], **names: str) -> AwsError:
    code, text = form
    return AwsError(text.format(noun=kind.noun, **names), code=code, status=400)
