"""Service Quotas for SageMaker's instances: lists, defaults, and increases that are granted at once, also downwards.

`capabilities/instances/quota.py` holds creates to the values that were set here.
"""

from clary.companions.service_quotas import api
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="service-quotas", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)
