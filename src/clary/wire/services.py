"""The AWS services that one port answers for: a table. Routing reads it; a test keeps it equal to botocore's models.

`name` is botocore's folder and the `service` of an `Operation`. `signing` is the service of the credential scope,
which several share. `target` is the prefix of X-Amz-Target and of the smithy path. `invalid` is the code the service
gives to input that breaks a constraint of its model; SageMaker's own is ValidationException.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    signing: str
    protocols: tuple[str, ...]
    """The first is what errors are worded in before a request shows its own."""
    target: str = ""
    version: str = ""
    """`Version` of form requests; it alone tells which service an unsigned one is for."""
    invalid: str = "ValidationException"


def _rest(name: str, signing: str = "sagemaker", invalid: str = "ValidationException") -> Service:
    return Service(name, signing, ("rest-json",), invalid=invalid)


ALL = (
    Service("sagemaker", "sagemaker", ("json",), "SageMaker"),
    _rest("sagemaker-runtime", invalid="ValidationError"),
    _rest("sagemaker-featurestore-runtime", invalid="ValidationError"),
    _rest("sagemaker-metrics"),
    _rest("sagemaker-a2i-runtime"),
    _rest("sagemakerjobruntime"),
    _rest("sagemakertrainingsessionruntime"),
    _rest("sagemaker-inference-router-runtime"),
    _rest("sagemaker-edge"),
    _rest("sagemaker-geospatial", "sagemaker-geospatial"),
    Service("s3", "s3", ("rest-xml",), invalid="InvalidArgument"),
    Service("sts", "sts", ("query",), version="2011-06-15", invalid="ValidationError"),
    Service("iam", "iam", ("query",), version="2010-05-08", invalid="ValidationError"),
    Service("logs", "logs", ("json",), "Logs_20140328", invalid="InvalidParameterException"),
    Service(
        "cloudwatch",
        "monitoring",
        ("smithy-rpc-v2-cbor", "json", "query"),
        "GraniteServiceVersion20100801",
        "2010-08-01",
        "InvalidParameterValueException",
    ),
    Service("ecr", "ecr", ("json",), "AmazonEC2ContainerRegistry_V20150921", invalid="InvalidParameterException"),
    Service("kms", "kms", ("json",), "TrentService"),
    Service("ec2", "ec2", ("ec2",), version="2016-11-15", invalid="InvalidParameterValue"),
    Service("service-quotas", "servicequotas", ("json",), "ServiceQuotasV20190624", invalid="IllegalArgumentException"),
    Service("pricing", "pricing", ("json",), "AWSPriceListService", invalid="InvalidParameterException"),
    Service("application-autoscaling", "application-autoscaling", ("json",), "AnyScaleFrontendService"),
    Service("athena", "athena", ("json",), "AmazonAthena", invalid="InvalidRequestException"),
    Service("events", "events", ("json",), "AWSEvents"),
    Service("secretsmanager", "secretsmanager", ("json",), "secretsmanager"),
    _rest("lambda", "lambda"),
    _rest("scheduler", "scheduler"),
    Service("sns", "sns", ("query",), version="2010-03-31", invalid="InvalidParameter"),
    Service("resourcegroupstaggingapi", "tagging", ("json",), "ResourceGroupsTaggingAPI_20170126"),
)

SERVICES: Mapping[str, Service] = {service.name: service for service in ALL}
