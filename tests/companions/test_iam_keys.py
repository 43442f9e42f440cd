import json
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Site, Tenant

from clary.companions.iam import KeyRing
from clary.companions.iam.bootstrap import first_start
from clary.companions.iam.keys import RECHECK_SECONDS
from clary.companions.iam.master import MasterKey
from clary.companions.iam.roles import check_pass_role
from clary.resources.store import Store
from clary.settings import Settings
from clary.wire.context import Context, Parts, Principal
from clary.wire.errors import AwsError

ACCOUNT = "123456789012"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def ring(store: Store, tmp_path: Path) -> KeyRing:
    ring = KeyRing(store, tmp_path / "secrets")
    first_start(Settings(home=tmp_path, account=ACCOUNT), store, ring)
    return ring


def test_sessions_need_no_store(store: Store, ring: KeyRing, tmp_path: Path) -> None:
    """Another process, or this one after a restart, knows the credentials without having been told."""
    given = ring.assume(ACCOUNT, "SageMakerRole", "job", 60)
    found = KeyRing(store, tmp_path / "secrets").find(given.access_key, given.token)
    assert (found.secret, found.principal) == (given.secret, given.principal)
    assert given.principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerRole/job"


def test_sessions_end(store: Store, ring: KeyRing, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(store, tmp_path / "secrets", clock)
    given = ring.assume(ACCOUNT, "SageMakerRole", "job", 60)
    ring.find(given.access_key, given.token)
    clock.now += 60
    with pytest.raises(AwsError) as caught:
        ring.find(given.access_key, given.token)
    assert caught.value.code == "ExpiredTokenException"


@pytest.mark.parametrize("harm", ["swap", "key", "cut", "other master", "none", "empty", "dots", "unicode"])
def test_forged_tokens_are_refused(store: Store, ring: KeyRing, tmp_path: Path, harm: str) -> None:
    given = ring.assume(ACCOUNT, "SageMakerRole", "job", 60)
    payload, _, seal = given.token.partition(".")
    forged = {
        "swap": f"{payload[:-6]}AAAAAA.{seal}",
        "key": given.token,
        "cut": payload,
        "other master": KeyRing(store, tmp_path / "other").assume(ACCOUNT, "SageMakerRole", "job", 60).token,
        "none": None,
        "empty": "",
        "dots": "....",
        "unicode": "é.é",
    }[harm]
    access_key = "ASIAAAAAAAAAAAAAAAAA" if harm == "key" else given.access_key
    with pytest.raises(AwsError) as caught:
        ring.find(access_key, forged)
    assert caught.value.code == "UnrecognizedClientException"


def test_roles_must_exist_to_be_assumed(ring: KeyRing) -> None:
    with pytest.raises(AwsError) as caught:
        ring.assume(ACCOUNT, "nobody", "job", 60)
    assert caught.value.code == "NoSuchEntity"


def test_known_keys_cost_next_to_nothing(ring: KeyRing, store: Store, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(store, tmp_path / "secrets", clock)
    given = ring.assume(ACCOUNT, "SageMakerRole", "job", 60)
    ring.find(given.access_key, given.token)
    best = min(_seconds(ring, given.access_key, given.token) for _ in range(5))
    assert best < 10e-6


def _seconds(ring: KeyRing, access_key: str, token: str, rounds: int = 1000) -> float:
    before = time.thread_time()
    for _ in range(rounds):
        ring.find(access_key, token)
    return (time.thread_time() - before) / rounds


def test_switched_off_keys_stop_within_a_second(store: Store, ring: KeyRing, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(store, tmp_path / "secrets", clock)
    access_key = _first_key(tmp_path)
    ring.find(access_key, None)
    record = store.by_id(access_key)
    assert record
    record.status = "Inactive"
    store.update(record)
    clock.now += RECHECK_SECONDS
    with pytest.raises(AwsError) as caught:
        ring.find(access_key, None)
    assert caught.value.code == "UnrecognizedClientException"


def test_first_start_may_be_repeated(store: Store, ring: KeyRing, tmp_path: Path) -> None:
    file = tmp_path / "secrets/credentials.json"
    before = file.read_bytes()
    for harm in (lambda: None, file.unlink):
        harm()
        first_start(Settings(home=tmp_path, account=ACCOUNT), store, KeyRing(store, tmp_path / "secrets"))
        assert file.read_bytes() == before


def test_secrets_are_for_the_owner_alone(ring: KeyRing, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {"secrets": 0o700, "master.key": 0o600, "credentials.json": 0o600}


def test_store_holds_no_secret(ring: KeyRing, store: Store, tmp_path: Path) -> None:
    access_key = _first_key(tmp_path)
    record = store.by_id(access_key)
    assert ring.find(access_key, None).secret not in repr(record)


def test_users_keys_over_the_wire(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    user = iam.create_user(UserName="ann", Path="/team/")["User"]
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    mine = tenant.client("iam", key)
    assert tenant.client("sts", key).get_caller_identity()["Arn"] == user["Arn"]
    assert mine.get_user()["User"] == user
    second = mine.create_access_key()["AccessKey"]
    with refused("LimitExceeded", "AccessKeysPerUser: 2", 409):
        mine.create_access_key()
    shown = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]
    assert [(one["AccessKeyId"], one["Status"]) for one in shown] == sorted(
        (one["AccessKeyId"], "Active") for one in (key, second)
    )
    iam.update_access_key(UserName="ann", AccessKeyId=second["AccessKeyId"], Status="Inactive")
    with refused("InvalidClientTokenId", status=403):
        tenant.client("sts", second).get_caller_identity()
    with refused("DeleteConflict", "access keys first", 409):
        iam.delete_user(UserName="ann")
    for one in (key, second):
        iam.delete_access_key(UserName="ann", AccessKeyId=one["AccessKeyId"])
    iam.delete_user(UserName="ann")
    with refused("NoSuchEntity", status=404):
        iam.list_access_keys(UserName="ann")
    with refused("NoSuchEntity", key["AccessKeyId"], 404):
        iam.create_user(UserName="bob")
        iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])


def test_role_sessions_are_no_users(tenant: Tenant) -> None:
    with refused("ValidationError", "non-User credentials"):
        tenant.client("iam").get_user()


def test_pass_role(tenant: Tenant, site: Site) -> None:
    principal = Principal(tenant.account, "arn:aws:iam::1:user/u", "AIDA", "AKIA")
    ctx = Context(Parts(site.store), "sagemaker", "CreateTrainingJob", tenant.account, "us-east-1", principal, "r")
    prefix = f"arn:aws:iam::{tenant.account}:role"
    assert check_pass_role(ctx, f"{prefix}/SageMakerRole").name == "SageMakerRole"
    execution = f"{prefix}/service-role/AmazonSageMaker-ExecutionRole-20240101T000000"
    assert check_pass_role(ctx, execution).name == execution.rpartition("/")[2]
    untrusting = '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}'
    tenant.client("iam").create_role(RoleName="mine", AssumeRolePolicyDocument=untrusting)
    codes = {}
    for arn in (f"{prefix}/nobody", f"{prefix}/mine", "arn:aws:iam::999999999999:role/SageMakerRole"):
        with pytest.raises(AwsError) as caught:
            check_pass_role(ctx, arn)
        codes[arn.rpartition(":")[2]] = (caught.value.code, arn in caught.value.message)
    assert codes == {
        "role/nobody": ("ValidationException", True),
        "role/mine": ("ValidationException", True),
        "role/SageMakerRole": ("AccessDeniedException", False),
    }


def _first_key(home: Path) -> str:
    return str(json.loads((home / "secrets/credentials.json").read_text())["access_key"])


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: MasterKey(tmp_path / "secrets").digest("a", "b"), range(16)))
    assert len(digests) == 1
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["master.key"]
