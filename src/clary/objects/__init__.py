"""The S3-compatible store. Other parts use `Objects`; the wire hands S3 requests to `server.S3`."""

from clary.objects.info import ObjectInfo, Origin, Stored
from clary.objects.interface import Objects
from clary.objects.names import parse_uri
from clary.objects.store import LocalObjects

__all__ = ["LocalObjects", "ObjectInfo", "Objects", "Origin", "Stored", "parse_uri"]
