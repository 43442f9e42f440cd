"""The S3-compatible store. Other parts use `Objects`; the wire hands S3 requests to `server.S3`."""

from clary.objects.info import ObjectInfo
from clary.objects.names import parse_uri
from clary.objects.store import Objects

__all__ = ["ObjectInfo", "Objects", "parse_uri"]
