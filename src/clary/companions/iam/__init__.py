"""IAM: roles, users, access keys, stored policies; and who signs with what (`KeyRing`).

Policies are kept and answered, and `SimulatePrincipalPolicy` reads their Deny statements. Requests are not yet
checked against them: a key of an account may do everything in that account.
"""

from clary.companions.iam import carried, policies, roles, simulate, users
from clary.companions.iam.keys import Credentials, KeyRing
from clary.companions.iam.roles import check_pass_role
from clary.resources.capability import Capability
from clary.wire.operations import Operation

CAPABILITY = Capability(
    name="iam",
    operations=(
        *(
            value
            for module in (policies, roles, simulate, users)
            for value in vars(module).values()
            if isinstance(value, Operation)
        ),
        *carried.OPERATIONS,
    ),
)

__all__ = ["CAPABILITY", "Credentials", "KeyRing", "check_pass_role"]
