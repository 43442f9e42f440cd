import json

from tests.companions.refusals import refused
from tests.companions.tenants import Tenant


def test_caller_is_an_assumed_role(tenant: Tenant) -> None:
    role = tenant.client("iam").get_role(RoleName="SageMakerRole")["Role"]
    answer = tenant.client("sts").get_caller_identity()
    del answer["ResponseMetadata"]
    assert answer == {
        "UserId": f"{role['RoleId']}:clary",
        "Account": tenant.account,
        "Arn": f"arn:aws:sts::{tenant.account}:assumed-role/SageMakerRole/clary",
    }


def test_assumed_role_signs_further_requests(tenant: Tenant) -> None:
    arn = tenant.client("iam").get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    answer = tenant.client("sts").assume_role(RoleArn=arn, RoleSessionName="me@home", DurationSeconds=900)
    identity = tenant.client("sts", answer["Credentials"]).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{tenant.account}:assumed-role/SageMakerRole/me@home"
    assert answer["AssumedRoleUser"] == {"Arn": identity["Arn"], "AssumedRoleId": identity["UserId"]}


def test_role_must_exist_and_trust_the_caller(tenant: Tenant) -> None:
    sts, arn = tenant.client("sts"), f"arn:aws:iam::{tenant.account}:role/nobody"
    with refused("AccessDenied", f"sts:AssumeRole on resource: {arn}", 403):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1")
    service_only = (
        '{"Statement": {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:*"}}'
    )
    made = tenant.client("iam").create_role(RoleName="service", AssumeRolePolicyDocument=service_only)
    with refused("AccessDenied", status=403):
        sts.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="s1")


def test_other_accounts_roles_need_their_trust(tenant: Tenant) -> None:
    other = Tenant(tenant.site)
    arn = f"arn:aws:iam::{other.account}:role/SageMakerRole"
    with refused("AccessDenied", status=403):
        tenant.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    allow = {"Effect": "Allow", "Principal": {"AWS": tenant.account}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Statement": allow})
    other.client("iam").update_assume_role_policy(RoleName="SageMakerRole", PolicyDocument=trust)
    given = tenant.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"]
    assert tenant.client("sts", given).get_caller_identity()["Account"] == other.account


def test_duration_is_bounded_by_the_role(tenant: Tenant) -> None:
    sts, iam = tenant.client("sts"), tenant.client("iam")
    arn = iam.get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    with refused("ValidationError", "MaxSessionDuration"):
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=7200)
    iam.update_role(RoleName="SageMakerRole", MaxSessionDuration=7200)
    given = sts.assume_role(RoleArn=arn, RoleSessionName="s1", DurationSeconds=7200)["Credentials"]
    with refused("ValidationError", "role chaining"):
        tenant.client("sts", given).assume_role(RoleArn=arn, RoleSessionName="s2", DurationSeconds=7200)


def test_session_name_is_checked(tenant: Tenant) -> None:
    arn = f"arn:aws:iam::{tenant.account}:role/SageMakerRole"
    with refused("ValidationError", "roleSessionName"):
        tenant.client("sts").assume_role(RoleArn=arn, RoleSessionName="no spaces")


def test_session_token_keeps_the_principal(tenant: Tenant) -> None:
    sts = tenant.client("sts")
    given = sts.get_session_token()["Credentials"]
    session = tenant.client("sts", given)
    assert session.get_caller_identity()["Arn"] == sts.get_caller_identity()["Arn"]
    with refused("AccessDenied", status=403):
        session.get_session_token()


def test_account_of_an_access_key(tenant: Tenant) -> None:
    sts = tenant.client("sts")
    assert sts.get_access_key_info(AccessKeyId=tenant.credentials["access_key"])["Account"] == tenant.account
    with refused("ValidationError"):
        sts.get_access_key_info(AccessKeyId="AKIAAAAAAAAAAAAAAAAA")


def test_web_identities_are_refused_by_name(tenant: Tenant) -> None:
    sts = tenant.client("sts")
    # The one operation that AWS takes unsigned; here nobody gets in without a key.
    request = {
        "RoleArn": f"arn:aws:iam::{tenant.account}:role/SageMakerRole",
        "RoleSessionName": "s1",
        "WebIdentityToken": "token",
    }
    with refused("MissingAuthenticationToken", status=403):
        sts.assume_role_with_web_identity(**request)
    sts.meta.events.register_first("choose-signer.sts.AssumeRoleWithWebIdentity", lambda **_: "v4")
    with refused("NotImplemented", "AssumeRoleWithWebIdentity", 501):
        sts.assume_role_with_web_identity(**request)
