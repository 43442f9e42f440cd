"""The Price List service for SageMaker's instances: the catalogue's list prices, in the form of AWS's products."""

from clary.companions.pricing import api
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="pricing", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)
