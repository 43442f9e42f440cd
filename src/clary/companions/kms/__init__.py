"""KMS: keys as records, so that a key's id can be made, named and looked up. Nothing is encrypted with them.

Operations that would use key material are refused: Clary encrypts nothing and says so rather than pretend.
"""

from clary.companions.kms import api
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="kms",
    operations=(*(value for value in vars(api).values() if isinstance(value, Operation)), *api.REFUSED),
)
