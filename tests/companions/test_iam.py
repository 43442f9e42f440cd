import json
from typing import Any

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def policy(effect: str = "Allow", action: Any = "s3:*", resource: Any = "*", **more: Any) -> str:
    where = {} if "NotResource" in more else {"Resource": resource}
    statement = {"Effect": effect, "Action": action} | where | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_first_start_makes_the_two_roles(tenant: Tenant) -> None:
    roles = tenant.client("iam").list_roles()["Roles"]
    assert [role["Arn"].partition(":role")[2] for role in roles] == [
        "/service-role/AmazonSageMaker-ExecutionRole-20240101T000000",
        "/SageMakerRole",
    ]
    principals = [role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] for role in roles]
    assert principals == ["sagemaker.amazonaws.com"] * 2


def test_role_life(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    tags = [{"Key": "team", "Value": "a"}]
    made = iam.create_role(
        RoleName="Mine",
        Path="/x/",
        AssumeRolePolicyDocument=TRUST,
        Description="one",
        MaxSessionDuration=7200,
        Tags=tags,
    )["Role"]
    assert iam.get_role(RoleName="Mine")["Role"] == made
    assert {key: value for key, value in made.items() if key not in ("RoleId", "CreateDate")} == {
        "Path": "/x/",
        "RoleName": "Mine",
        "Arn": f"arn:aws:iam::{tenant.account}:role/x/Mine",
        "AssumeRolePolicyDocument": json.loads(TRUST),
        "Description": "one",
        "MaxSessionDuration": 7200,
        "Tags": tags,
    }
    with refused("EntityAlreadyExists", "Role with name Mine already exists.", 409):
        iam.create_role(RoleName="Mine", AssumeRolePolicyDocument=TRUST)
    iam.update_role(RoleName="Mine", Description="two")
    iam.update_assume_role_policy(RoleName="Mine", PolicyDocument=TRUST.replace("sagemaker", "ec2"))
    changed = iam.get_role(RoleName="Mine")["Role"]
    principal = changed["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert (changed["Description"], principal) == ("two", {"Service": "ec2.amazonaws.com"})
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/x/")["Roles"]] == ["Mine"]
    iam.delete_role(RoleName="Mine")
    with refused("NoSuchEntity", "The role with name Mine cannot be found.", 404):
        iam.get_role(RoleName="Mine")


@pytest.mark.parametrize("document", ["not json", "[]", "{}", '{"Statement": []}', policy(), '{"Statement": [1]}'])
def test_trust_policies_are_read(tenant: Tenant, document: str) -> None:
    with refused("MalformedPolicyDocument"):
        tenant.client("iam").create_role(RoleName="bad", AssumeRolePolicyDocument=document)


def test_role_tags(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    tags = [{"Key": f"k{number:02d}", "Value": str(number)} for number in range(50)]
    iam.tag_role(RoleName="SageMakerRole", Tags=tags)
    with refused("LimitExceeded", status=409):
        iam.tag_role(RoleName="SageMakerRole", Tags=[{"Key": "k50", "Value": ""}])
    pages = iam.get_paginator("list_role_tags").paginate(RoleName="SageMakerRole", PaginationConfig={"PageSize": 20})
    assert [len(page["Tags"]) for page in pages] == [20, 20, 10]
    iam.untag_role(RoleName="SageMakerRole", TagKeys=[tag["Key"] for tag in tags[1:]])
    assert iam.list_role_tags(RoleName="SageMakerRole")["Tags"] == tags[:1]


@pytest.mark.parametrize("noun", ["role", "user"])
def test_inline_and_attached_policies(tenant: Tenant, noun: str) -> None:
    iam = tenant.client("iam")
    who = {f"{noun.title()}Name": "me"}
    iam.create_role(RoleName="me", AssumeRolePolicyDocument=TRUST) if noun == "role" else iam.create_user(UserName="me")

    def call(form: str, **request: Any) -> Any:
        return getattr(iam, form.format(noun))(**who, **request)

    call("put_{}_policy", PolicyName="b", PolicyDocument=policy())
    call("put_{}_policy", PolicyName="a", PolicyDocument=policy("Deny"))
    assert call("get_{}_policy", PolicyName="a")["PolicyDocument"] == json.loads(policy("Deny"))
    assert call("list_{}_policies", MaxItems=1)["PolicyNames"] == ["a"]
    pages = iam.get_paginator(f"list_{noun}_policies").paginate(**who, PaginationConfig={"PageSize": 1})
    assert [page["PolicyNames"] for page in pages] == [["a"], ["b"]]

    arn = iam.create_policy(PolicyName="own", PolicyDocument=policy(), Description="d")["Policy"]["Arn"]
    aws = "arn:aws:iam::aws:policy/service-role/AmazonSageMakerX"
    for each in (arn, arn, aws):
        call("attach_{}_policy", PolicyArn=each)
    assert call("list_attached_{}_policies")["AttachedPolicies"] == [
        {"PolicyName": "own", "PolicyArn": arn},
        {"PolicyName": "AmazonSageMakerX", "PolicyArn": aws},
    ]
    only = call("list_attached_{}_policies", PathPrefix="/service-role/")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in only] == [aws]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    with refused("DeleteConflict", "attached to entities", 409):
        iam.delete_policy(PolicyArn=arn)
    with refused("DeleteConflict", "detach all policies", 409):
        call("delete_{}")
    for each in (arn, aws):
        call("detach_{}_policy", PolicyArn=each)
    with refused("NoSuchEntity", status=404):
        call("detach_{}_policy", PolicyArn=aws)
    with refused("DeleteConflict", "delete policies", 409):
        call("delete_{}")
    for name in ("a", "b"):
        call("delete_{}_policy", PolicyName=name)
    with refused("NoSuchEntity", f"The {noun} policy with name a cannot be found.", 404):
        call("get_{}_policy", PolicyName="a")
    call("delete_{}")
    iam.delete_policy(PolicyArn=arn)


def test_customer_policies(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    made = iam.create_policy(PolicyName="one", Path="/p/", PolicyDocument=policy())["Policy"]
    assert made["Arn"] == f"arn:aws:iam::{tenant.account}:policy/p/one"
    assert iam.get_policy(PolicyArn=made["Arn"])["Policy"]["PolicyId"] == made["PolicyId"]
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert (version["Document"], version["IsDefaultVersion"]) == (json.loads(policy()), True)
    assert [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=made["Arn"])["Versions"]] == ["v1"]
    assert [one["Arn"] for one in iam.list_policies(Scope="Local", PathPrefix="/p/")["Policies"]] == [made["Arn"]]
    assert iam.list_policies(OnlyAttached=True)["Policies"] == []
    with refused("EntityAlreadyExists", status=409):
        iam.create_policy(PolicyName="one", PolicyDocument=policy())
    with refused("MalformedPolicyDocument"):
        iam.create_policy(PolicyName="two", PolicyDocument=TRUST)
    with refused("NoSuchEntity", status=404):
        iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v2")
    with refused("NoSuchEntity", status=404):
        Tenant(tenant.site).client("iam").get_policy(PolicyArn=made["Arn"])
    with refused("NoSuchEntity", "not attachable", 404):
        iam.attach_role_policy(RoleName="SageMakerRole", PolicyArn=made["Arn"] + "x")
    with refused("NotImplemented", "AWS's own policy", 501):
        iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def test_users_and_pages(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    for number in range(7):
        iam.create_user(
            UserName=f"u{number}", Path="/even/" if number % 2 == 0 else "/", Tags=[{"Key": "a", "Value": "b"}]
        )
    pages = [page["Users"] for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3})]
    assert [[user["UserName"] for user in page] for page in pages] == [["u0", "u1", "u2"], ["u3", "u4", "u5"], ["u6"]]
    even = iam.list_users(PathPrefix="/even/")["Users"]
    assert [user["UserName"] for user in even] == ["u0", "u2", "u4", "u6"]
    assert iam.list_user_tags(UserName="u1")["Tags"] == [{"Key": "a", "Value": "b"}]
    with refused("ValidationError", "Marker"):
        iam.list_roles(Marker=iam.list_users(MaxItems=1)["Marker"])
    with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        iam.get_user(UserName="nobody")


def test_simulation_echoes_every_action(tenant: Tenant) -> None:
    """As SDK v3 asks before it trains: eleven actions, then one more, through the paginator."""
    iam = tenant.client("iam")
    arn = iam.get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    actions = [f"s3:Action{number}" for number in range(11)]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=actions, PaginationConfig={"PageSize": 4}
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in results] == [(name, "allowed") for name in actions]
    for missing in (f"arn:aws:iam::{tenant.account}:role/nobody", arn.replace(tenant.account, "999999999999")):
        with refused("NoSuchEntity", status=404):
            iam.simulate_principal_policy(PolicySourceArn=missing, ActionNames=["s3:PutObject"])
    with refused("InvalidInput"):
        iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:sts::{tenant.account}:assumed-role/SageMakerRole/x", ActionNames=["s3:PutObject"]
        )


def test_simulation_reads_the_denials(tenant: Tenant) -> None:
    iam = tenant.client("iam")
    arn = iam.get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="SageMakerRole",
        PolicyName="no",
        PolicyDocument=policy("Deny", "s3:Put*", "arn:aws:s3:::secret/*"),
    )
    attached = iam.create_policy(PolicyName="no", PolicyDocument=policy("Deny", ["SAGEMAKER:create?"]))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="SageMakerRole", PolicyArn=attached)
    conditional = policy("Deny", "kms:*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        PolicyInputList=[conditional, policy("Deny", "xyz:*", NotResource="*")],
        ActionNames=["s3:PutObject", "s3:GetObject", "sagemaker:CreateX", "kms:Encrypt", "xyz:A"],
        ResourceArns=["arn:aws:s3:::secret/key", "arn:aws:s3:::open/key"],
    )
    decided = [
        (one["EvalActionName"], one["EvalDecision"], one["MissingContextValues"]) for one in answer["EvaluationResults"]
    ]
    region = ["aws:RequestedRegion"]
    assert decided == [
        ("s3:PutObject", "explicitDeny", []),
        ("s3:PutObject", "allowed", []),
        ("s3:GetObject", "allowed", []),
        ("s3:GetObject", "allowed", []),
        ("sagemaker:CreateX", "explicitDeny", []),
        ("sagemaker:CreateX", "explicitDeny", []),
        ("kms:Encrypt", "allowed", region),
        ("kms:Encrypt", "allowed", region),
        ("xyz:A", "allowed", []),
        ("xyz:A", "allowed", []),
    ]
