"""Listings: any name that S3 allows comes back as it was."""

from pathlib import Path

from clary.runtime import listing
from clary.runtime.listing import Listed

NAMES = ("plain", "a b/c", "100%", "zwei\nZeilen", "gräßlich/\udcff", "", "a:b?c#d", "%41")


def test_names_come_back_whatever_they_hold(tmp_path: Path) -> None:
    listed = [Listed(name, f"s3://bucket/{name}") for name in NAMES]
    file = listing.place(tmp_path, tmp_path / "channels/all/train")
    listing.write(file, listed)
    with file.open() as lines:
        assert list(listing.read(lines)) == listed
