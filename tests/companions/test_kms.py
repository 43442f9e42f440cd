from tests.companions.refusals import refused
from tests.companions.tenants import Tenant


def test_key_life(tenant: Tenant) -> None:
    kms = tenant.client("kms")
    made = kms.create_key(Description="mine", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    arn = f"arn:aws:kms:us-east-1:{tenant.account}:key/{made['KeyId']}"
    assert (made["Arn"], made["KeyState"], made["Enabled"]) == (arn, "Enabled", True)
    kms.create_alias(AliasName="alias/mine", TargetKeyId=arn)
    for name in (made["KeyId"], arn, "alias/mine", arn.rpartition(":")[0] + ":alias/mine"):
        assert kms.describe_key(KeyId=name)["KeyMetadata"] == made
    assert kms.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
    kms.disable_key(KeyId=arn)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=arn)
    deletion = kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert (deletion["KeyId"], deletion["KeyState"]) == (arn, "PendingDeletion")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["DeletionDate"] == deletion["DeletionDate"]
    with refused("KMSInvalidStateException", "pending deletion"):
        kms.schedule_key_deletion(KeyId=arn)
    assert kms.cancel_key_deletion(KeyId=arn)["KeyId"] == arn
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"


def test_policies(tenant: Tenant) -> None:
    kms = tenant.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert f"arn:aws:iam::{tenant.account}:root" in kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy="{}")
    assert kms.get_key_policy(KeyId=key)["Policy"] == "{}"


def test_lists_and_aliases(tenant: Tenant) -> None:
    kms = tenant.client("kms")
    keys = sorted(kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5))
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert [[key["KeyId"] for key in page["Keys"]] for page in pages] == [keys[:2], keys[2:4], keys[4:]]
    for name in ("alias/b", "alias/a"):
        kms.create_alias(AliasName=name, TargetKeyId=keys[0])
    with refused("AlreadyExistsException", "alias/a already exists"):
        kms.create_alias(AliasName="alias/a", TargetKeyId=keys[1])
    with refused("InvalidAliasNameException"):
        kms.create_alias(AliasName="alias/aws/a", TargetKeyId=keys[1])
    found = kms.list_aliases(KeyId=keys[0])["Aliases"]
    assert [(one["AliasName"], one["TargetKeyId"]) for one in found] == [("alias/a", keys[0]), ("alias/b", keys[0])]
    assert kms.list_aliases(KeyId=keys[1])["Aliases"] == []
    kms.delete_alias(AliasName="alias/a")
    with refused("NotFoundException", "alias/a is not found"):
        kms.delete_alias(AliasName="alias/a")
    with refused("InvalidMarkerException"):
        kms.list_keys(Marker="nonsense")


def test_unknown_keys_and_refused_work(tenant: Tenant) -> None:
    kms = tenant.client("kms")
    for name in ("8c9a9d9e-0000-0000-0000-000000000000", "alias/nobody"):
        with refused("NotFoundException", name):
            kms.describe_key(KeyId=name)
    made = kms.create_key()["KeyMetadata"]["Arn"]
    with refused("NotFoundException"):
        Tenant(tenant.site).client("kms").describe_key(KeyId=made)
    with refused("NotImplemented", "Encrypt", 501):
        kms.encrypt(KeyId=made, Plaintext=b"x")
    with refused("NotImplemented", "GenerateDataKey", 501):
        kms.generate_data_key(KeyId=made, KeySpec="AES_256")
