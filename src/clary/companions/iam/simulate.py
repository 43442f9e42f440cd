"""SimulatePrincipalPolicy: what the documents of a role or user say of some actions. SDK v3 asks before it trains."""

from collections.abc import Iterator

from clary.companions.iam import documents, policies
from clary.companions.iam.documents import Statement
from clary.companions.iam.entities import ROLE, USER, by_arn, listed, no_such
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation


@operation("SimulatePrincipalPolicy", "iam")
def simulate_principal_policy(ctx: Context, request: Request) -> Response:
    found = [*_statements(ctx.need(Store), _source(ctx, request["PolicySourceArn"]))]
    for document in request.get("PolicyInputList", ()):
        found += documents.statements(document)
    pairs = [(action, target) for action in request["ActionNames"] for target in request.get("ResourceArns") or ["*"]]
    numbered = iter([(f"{number:08d}", *pair) for number, pair in enumerate(pairs)])
    shown, more = listed(numbered, lambda item: str(item[0]), f"simulate {len(pairs)}", request)
    return {"EvaluationResults": [_result(found, action, target) for _, action, target in shown]} | more


def _result(found: list[Statement], action: str, target: str) -> Response:
    decision, missing = documents.decide(found, action, target)
    return {
        "EvalActionName": action,
        "EvalResourceName": target,
        "EvalDecision": decision,
        "MatchedStatements": [],
        "MissingContextValues": missing,
    }


def _source(ctx: Context, arn: str) -> Record:
    if ":role/" not in arn and ":user/" not in arn:
        message = f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
        raise AwsError(message, code="InvalidInput", status=400)
    record = by_arn(ctx.need(Store), ctx.account, arn)
    if record is None or record.kind not in (ROLE.kind, USER.kind):
        raise no_such(
            f"The {'role' if ':role/' in arn else 'user'} with name {arn.rpartition('/')[2]} cannot be found."
        )
    return record


def _statements(store: Store, record: Record) -> Iterator[Statement]:
    """Everything the entity carries."""
    for document in record.state["inline"].values():
        yield from documents.statements(document)
    for arn in record.state["attached"]:
        if document := policies.document_of(store, record.account, arn):
            yield from documents.statements(document)
