"""Edge packaging: why there is none."""

from clary.wire.context import Context
from clary.wire.errors import NotBuilt
from clary.wire.operations import Request, Response, operation


@operation("CreateEdgePackagingJob", depth="refuses")
def create(ctx: Context, request: Request) -> Response:
    """Recorded it would only seem to be there: nothing can run the package."""
    raise NotBuilt(
        "CreateEdgePackagingJob is not supported: it packs compiled models for the agent of SageMaker Edge Manager, "
        "which AWS ended in April 2024. A compilation job's artefact is a plain tar.gz in S3."
    )
