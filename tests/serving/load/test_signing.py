"""Our signature beside botocore's."""

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from clary.serving.load.signing import Signer


def test_signature_is_botocores() -> None:
    given = {"content-type": "text/csv", "accept": "text/csv,  application/json"}
    ours = Signer("AKID", "secret", "token", "eu-west-1").headers("h:1", "/endpoints/e/invocations", given, b"1,2")
    request = AWSRequest("POST", "http://h:1/endpoints/e/invocations", {**given, "host": "h:1"}, b"1,2")
    request.context["timestamp"] = ours["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", "secret", "token"), "sagemaker", "eu-west-1")
    request.headers["X-Amz-Date"], request.headers["X-Amz-Security-Token"] = ours["x-amz-date"], "token"
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert ours["authorization"].endswith(f"Signature={auth.signature(text, request)}")
