"""The S3 operations, one file per theme; `table.py` gathers them."""
