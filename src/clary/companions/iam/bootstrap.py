"""First start: the two roles that SDK examples name, and the keys that `clary env` prints. Every start runs it."""

import json
import secrets
from contextlib import suppress
from pathlib import Path

from clary.companions.iam.documents import SAGEMAKER
from clary.companions.iam.entities import REGION, ROLE, create
from clary.companions.iam.ids import ALPHABET
from clary.companions.iam.keys import KeyRing
from clary.companions.iam.master import sync_folder, write_durably
from clary.companions.iam.users import ACCESS_KEY, new_key
from clary.resources.store import NameTaken, Store
from clary.settings import Settings
from clary.wire.errors import AwsError

DEFAULT_ROLE = "SageMakerRole"
EXECUTION_ROLE = "AmazonSageMaker-ExecutionRole-20240101T000000"
"""Made by SageMaker's console on AWS, under this path; examples and SDK code look for the prefix."""

SESSION = "clary"
CREDENTIALS = "credentials.json"


def first_start(settings: Settings, store: Store, keys: KeyRing) -> None:
    """Make what is not there yet. A crash at any line, or several starts at once, leave the same in the end."""
    role = _role(store, settings.account, DEFAULT_ROLE, "/")
    _role(store, settings.account, EXECUTION_ROLE, "/service-role/")
    access_key = _first_key(settings.account, keys)
    if store.get(ACCESS_KEY, settings.account, REGION, access_key) is None:
        arn = f"arn:aws:sts::{settings.account}:assumed-role/{DEFAULT_ROLE}/{SESSION}"
        record = new_key(store, settings.account, access_key, "", arn, f"{role}:{SESSION}")
        with suppress(NameTaken):
            store.insert(record)
    _write(settings.home / "secrets" / CREDENTIALS, access_key, keys.master.secret_access_key(access_key))


def _role(store: Store, account: str, name: str, path: str) -> str:
    """The role's unique id."""
    found = store.get(ROLE.kind, account, REGION, name)
    if found is not None:
        return str(found.state["id"])
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": SAGEMAKER, "AWS": f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    spec = {"RoleName": name, "Path": path, "AssumeRolePolicyDocument": json.dumps(trust)}
    try:
        return str(create(store, account, ROLE, spec).state["id"])
    except AwsError:
        return _role(store, account, name, path)


def _first_key(account: str, keys: KeyRing) -> str:
    """Derived, not drawn: every start of every process means the same key."""
    digest = keys.master.digest("first access key", account)
    return "AKIA" + "".join(ALPHABET[byte % 32] for byte in digest[:16])


def _write(file: Path, access_key: str, secret: str) -> None:
    content = json.dumps({"access_key": access_key, "secret": secret, "session_token": ""}, indent=1).encode()
    if file.exists() and file.read_bytes() == content:
        return
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    write_durably(fresh, content)
    fresh.replace(file)
    sync_folder(file.parent)
