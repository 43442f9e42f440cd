"""The operations of STS."""

from clary.companions.iam.keys import Credentials, KeyRing
from clary.companions.iam.roles import SESSION_SECONDS, check_may_assume
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError, NotBuilt
from clary.wire.operations import Request, Response, operation

TOKEN_SECONDS = 12 * 3600


@operation("GetCallerIdentity", "sts", quick=True)
def get_caller_identity(ctx: Context, request: Request) -> Response:
    return {"UserId": ctx.principal.user_id, "Account": ctx.principal.account, "Arn": ctx.principal.arn}


@operation("AssumeRole", "sts")
def assume_role(ctx: Context, request: Request) -> Response:
    role = check_may_assume(ctx, request["RoleArn"])
    seconds = request.get("DurationSeconds", SESSION_SECONDS)
    most = role.spec.get("MaxSessionDuration", SESSION_SECONDS)
    if seconds > most:
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if ctx.principal.access_key.startswith("ASIA") and seconds > SESSION_SECONDS:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    given = ctx.need(KeyRing).assume(role.account, role.name, request["RoleSessionName"], seconds)
    answer: Response = {
        "Credentials": _shown(given),
        "AssumedRoleUser": {"AssumedRoleId": given.principal.user_id, "Arn": given.principal.arn},
    }
    return answer | ({"SourceIdentity": request["SourceIdentity"]} if "SourceIdentity" in request else {})


@operation("GetSessionToken", "sts")
def get_session_token(ctx: Context, request: Request) -> Response:
    """Only long-lived keys may, as on AWS; the keys of the first start count as such."""
    if ctx.principal.access_key.startswith("ASIA"):
        raise AwsError("Cannot call GetSessionToken with session credentials", code="AccessDenied", status=403)
    seconds = request.get("DurationSeconds", TOKEN_SECONDS)
    caller = ctx.principal
    return {"Credentials": _shown(ctx.need(KeyRing).issue(caller.account, caller.arn, caller.user_id, seconds))}


@operation("GetAccessKeyInfo", "sts")
def get_access_key_info(ctx: Context, request: Request) -> Response:
    """Of stored keys: a temporary key's account is in its token, which is not given here."""
    record = ctx.need(Store).by_id(request["AccessKeyId"])
    if record is None or record.kind != "AccessKey":
        raise AwsError("The access key is not valid", code="ValidationError", status=400)
    return {"Account": record.account}


@operation("AssumeRoleWithWebIdentity", "sts", depth="refuses")
def assume_role_with_web_identity(ctx: Context, request: Request) -> Response:
    raise NotBuilt("AssumeRoleWithWebIdentity is not available here: no web identity provider is known.")


def _shown(given: Credentials) -> Response:
    return {
        "AccessKeyId": given.access_key,
        "SecretAccessKey": given.secret,
        "SessionToken": given.token,
        "Expiration": given.expires,
    }


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="ValidationError", status=400)
