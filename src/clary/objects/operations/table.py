"""The S3 operations, by name. Each takes a `Call` and returns an `Answer`; `server.py` does all the rest."""

from collections.abc import Mapping

from clary.objects.call import Operation
from clary.objects.operations import access, buckets, copies, deletes, documents, lists, parts, reads, tags, writes

OPERATIONS: Mapping[str, Operation] = {
    **buckets.OPERATIONS,
    **documents.OPERATIONS,
    **access.OPERATIONS,
    **lists.OPERATIONS,
    **reads.OPERATIONS,
    **writes.OPERATIONS,
    **copies.OPERATIONS,
    **deletes.OPERATIONS,
    **tags.OPERATIONS,
    **parts.OPERATIONS,
}

QUICK = frozenset({"GetObject", "HeadObject", "HeadBucket"})
"""Point reads, answered on the event loop."""
