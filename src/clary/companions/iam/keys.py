"""Access keys: who signs with what.

`KeyRing` answers the wire for every request. Stored keys (AKIA...) are records, so that they can be listed, switched
off and deleted; temporary ones (ASIA...) are stateless: their session token is a sealed text that says everything.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clary.companions.iam.ids import random_id
from clary.companions.iam.master import MasterKey
from clary.companions.iam.roles import role_id
from clary.resources.store import Store
from clary.wire.context import Principal
from clary.wire.errors import AwsError
from clary.wire.sigv4 import Key, Keys

RECHECK_SECONDS = 1.0
"""A deleted or deactivated key stops working within this time, in every process."""

REMEMBERED = 10_000
"""Keys a process remembers; past this it forgets all and looks again."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials as a client uses them. `expires` is epoch seconds."""

    access_key: str
    secret: str
    token: str
    expires: float
    principal: Principal


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What a session token says."""

    access_key: str
    account: str
    arn: str
    user_id: str
    expires: float


_read_sealed = msgspec.json.Decoder(_Sealed).decode


class KeyRing(Keys):
    """The wire's `Keys`. One per process; `clock` gives epoch seconds."""

    def __init__(self, store: Store, secrets_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._master = MasterKey(secrets_dir)
        self._seen: dict[tuple[str, str | None], tuple[float, Key]] = {}

    @property
    def master(self) -> MasterKey:
        return self._master

    def find(self, access_key_id: str, session_token: str | None) -> Key:
        """The secret and the principal of a key that may sign now.

        Raises UnrecognizedClientException for a key that does not exist, is switched off or whose token is not ours,
        ExpiredTokenException for one past its time.
        """
        known = self._seen.get((access_key_id, session_token))
        if known is not None and self._clock() < known[0]:
            return known[1]
        until, key = self._temporary(access_key_id, session_token) if session_token else self._stored(access_key_id)
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[access_key_id, session_token] = (until, key)
        return key

    def assume(self, account: str, role_name: str, session: str, seconds: float) -> Credentials:
        """Credentials of a role's session. The role must exist; whether the caller may is checked before."""
        arn = f"arn:aws:sts::{account}:assumed-role/{role_name}/{session}"
        return self.issue(account, arn, f"{role_id(self._store, account, role_name)}:{session}", seconds)

    def issue(self, account: str, arn: str, user_id: str, seconds: float) -> Credentials:
        """Temporary credentials of any principal."""
        access_key = "ASIA" + random_id()
        sealed = _Sealed(access_key, account, arn, user_id, self._clock() + seconds)
        payload = base64.urlsafe_b64encode(msgspec.json.encode(sealed)).decode()
        token = f"{payload}.{self._seal(payload)}"
        principal = Principal(account, arn, user_id, access_key)
        return Credentials(access_key, self._master.secret_access_key(payload), token, sealed.expires, principal)

    def _temporary(self, access_key_id: str, token: str) -> tuple[float, Key]:
        payload, _, seal = token.partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(payload).encode()):
            raise _unrecognized()
        try:
            sealed = _read_sealed(base64.urlsafe_b64decode(payload))
        except (binascii.Error, ValueError) as error:
            raise _unrecognized() from error
        if sealed.access_key != access_key_id:
            raise _unrecognized()
        if self._clock() >= sealed.expires:
            raise AwsError(
                "The security token included in the request is expired", code="ExpiredTokenException", status=403
            )
        principal = Principal(sealed.account, sealed.arn, sealed.user_id, access_key_id)
        return sealed.expires, Key(self._master.secret_access_key(payload), principal)

    def _stored(self, access_key_id: str) -> tuple[float, Key]:
        until = self._clock() + RECHECK_SECONDS
        record = self._store.by_id(access_key_id) if access_key_id.startswith("AKIA") else None
        if record is None or record.kind != "AccessKey" or record.status != "Active":
            raise _unrecognized()
        principal = Principal(record.account, record.state["arn"], record.state["user_id"], access_key_id)
        return until, Key(self._master.secret_access_key(access_key_id), principal)

    def _seal(self, payload: str) -> str:
        return base64.urlsafe_b64encode(self._master.digest("session token", payload)).decode()


def _unrecognized() -> AwsError:
    return AwsError(
        "The security token included in the request is invalid.", code="UnrecognizedClientException", status=403
    )
