"""What the model says about an error: its shape, HTTP status and whose fault it is. Read by every protocol."""

from dataclasses import dataclass
from functools import cache

from botocore.model import ServiceModel, Shape

from clary.wire.errors import AwsError


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is what JSON calls `__type`; `legacy` is what query calls it, which differs where the model says so."""

    code: str
    legacy: str
    status: int
    shape: Shape | None

    @property
    def side(self) -> str:
        return "Receiver" if self.status >= 500 else "Sender"


def fault(model: ServiceModel | None, error: AwsError) -> Fault:
    shape = _shape(model, error.code)
    if shape is None:
        return Fault(error.code, error.code, error.status, None)
    facts = shape.metadata.get("error", {})
    status = facts.get("httpStatusCode") or (500 if shape.metadata.get("fault") else error.status)
    return Fault(shape.name, facts.get("code", shape.name), status, shape)


def _shape(model: ServiceModel | None, code: str) -> Shape | None:
    """By error code, or by the name of the shape, whichever the handler knows."""
    name = None if model is None else _names(model).get(code)
    return None if model is None or name is None else model.shape_for(name)


@cache
def _names(model: ServiceModel) -> dict[str, str]:
    """Error shapes by both spellings. From the raw description: botocore would first build every shape it has."""
    shapes = {n: raw for n, raw in model._service_description.get("shapes", {}).items() if raw.get("exception")}
    return {raw.get("error", {}).get("code", name): name for name, raw in shapes.items()} | {n: n for n in shapes}


def members(error: AwsError, shape: Shape | None) -> dict[str, object]:
    """The error's modelled members, the message under the spelling of its shape."""
    named = getattr(shape, "members", {})
    spelling = next((name for name in named if name.lower() == "message"), None)
    return {**error.extra, **({spelling: error.message} if spelling else {})}
