"""AWS's protocols, one file each, behind three functions: parse a request, write an answer, write a refusal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.messages import Head, Reply

Parse = Callable[[OperationModel, Head, bytes, dict[str, str]], dict[str, Any]]
Answer = Callable[[OperationModel, dict[str, Any], str], Reply]
Refuse = Callable[[ServiceModel, AwsError, str], Reply]


@dataclass(frozen=True, slots=True)
class Codec:
    """`parse(operation, head, body, path labels)`, `answer(operation, result, request id)`, `refuse(model, error, id)`.

    Parsing raises `SerializationException` and checks no constraint.
    """

    parse: Parse
    answer: Answer
    refuse: Refuse


def codecs() -> Mapping[str, Codec]:
    """By the protocol's name in botocore's metadata."""
    from clary.wire.protocols import cbor, ec2, json, query, rest_json, rest_xml

    return {
        "json": Codec(json.parse, json.answer, json.refuse),
        "rest-json": Codec(rest_json.parse, rest_json.answer, rest_json.refuse),
        "rest-xml": Codec(rest_xml.parse, rest_xml.answer, rest_xml.refuse),
        "query": Codec(query.parse, query.answer, query.refuse),
        "ec2": Codec(ec2.parse, ec2.answer, ec2.refuse),
        "smithy-rpc-v2-cbor": Codec(cbor.parse, cbor.answer, cbor.refuse),
    }
