"""STS: who am I, and sessions of roles."""

from clary.companions.sts import api
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="sts", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)
