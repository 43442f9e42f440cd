"""ECR, as far as AWS's own image repositories must be found by name."""

from clary.companions.ecr import api
from clary.companions.ecr.repositories import Repositories
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="ecr", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)

__all__ = ["CAPABILITY", "Repositories"]
