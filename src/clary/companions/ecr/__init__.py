"""ECR: AWS's own image repositories, found by name, and the account's own, which images are pushed to and run from.

`api.py` has the operations, `registry.py` the protocol that container engines speak; both read `images.py`.
"""

from clary.companions.ecr import api
from clary.companions.ecr.access import USER, issue
from clary.companions.ecr.images import Images
from clary.companions.ecr.registry import Registry
from clary.companions.ecr.repositories import Repositories
from clary.companions.iam import KeyRing
from clary.resources.capability import Capability
from clary.wire.context import Principal
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="ecr", operations=tuple(value for value in vars(api).values() if isinstance(value, Operation))
)

__all__ = ["CAPABILITY", "USER", "Images", "Registry", "Repositories", "find", "platform_password"]


def find(images: Images, account: str, region: str, repository: str, reference: str) -> str | None:
    """The digest of a pushed image."""
    found = images.repository(account, region, repository)
    image = images.image(found, reference) if found else None
    return image.name if image else None


def platform_password(keys: KeyRing, account: str, region: str) -> str:
    """For the engine of this machine, which runs the account's jobs."""
    principal = Principal(account, f"arn:aws:sts::{account}:assumed-role/clary/containers", "clary:containers", "")
    return issue(keys, principal, region)[0]
