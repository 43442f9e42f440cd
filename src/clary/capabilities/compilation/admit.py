"""What CreateCompilationJob checks before it answers. The wire has checked shapes, patterns and enums already.

What lies in the archive, and DataInputConfig, which depends on it, are the job's to find wanting, as with AWS.
"""

from typing import Any

from clary.capabilities.compilation import options, targets
from clary.capabilities.jobs.addresses import Addresses, parsed
from clary.companions.iam.roles import check_pass_role
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]
FRAMEWORKS = ("SKLEARN", "XGBOOST", "PYTORCH", "ONNX", "TENSORFLOW", "KERAS")
WHY_NOT = {
    "MXNET": "MXNet is retired, and does not install on a current Python",
    "DARKNET": "Darknet is for edge devices only, for which no compiler is built here",
    "TFLITE": "TensorFlow Lite is for edge devices only, for which no compiler is built here",
}


def admit(ctx: Context, request: Request) -> Request:
    """Raises `ValidationException`, `NotBuilt` or `AccessDenied`."""
    _check_source(request)
    _check_output(request["OutputConfig"], request["InputConfig"]["Framework"])
    check_pass_role(ctx, request["RoleArn"])
    parsed(request["InputConfig"]["S3Uri"])
    Addresses(ctx, request["RoleArn"]).check_target(request["OutputConfig"]["S3OutputLocation"], "output")
    return request


def _check_source(request: Request) -> None:
    if "ModelPackageVersionArn" in request:
        if "InputConfig" in request:
            raise ValidationException("Specify either InputConfig or ModelPackageVersionArn, and not both.")
        raise NotBuilt("Compiling a model package (ModelPackageVersionArn) is not supported yet; use InputConfig.")
    if "InputConfig" not in request:
        raise ValidationException("Specify either InputConfig or ModelPackageVersionArn.")
    framework = request["InputConfig"]["Framework"]
    if framework not in FRAMEWORKS:
        raise NotBuilt(
            f"Framework {framework} is not compiled here: {WHY_NOT[framework]}. Compiled are: {', '.join(FRAMEWORKS)}."
        )


def _check_output(output: Request, framework: str) -> None:
    if ("TargetDevice" in output) == ("TargetPlatform" in output):
        raise ValidationException("OutputConfig: specify either TargetDevice or TargetPlatform, and not both.")
    try:
        targets.check(output, framework)
        options.parse(output.get("CompilerOptions"))
    except targets.NoTarget as error:
        raise NotBuilt(str(error)) from error
    except options.BadOptions as error:
        raise ValidationException(str(error)) from error
