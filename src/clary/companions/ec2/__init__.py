"""The little of EC2 that says where instances can be and what their types have: answered for this Clary's fleet.

Instances themselves are not EC2's here; nothing can be launched.
"""

from clary.companions.ec2 import api
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="ec2", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)
