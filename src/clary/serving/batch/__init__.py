"""Batch transform's work: objects cut into payloads, sent to a model server, and answers put together again.

`drive.py` is one process for each instance of a job; it reads and writes files alone and knows no AWS.

job.py        what a driver is told, and what it leaves
split.py      an object's bytes as payloads
path.py       the subset of JSONPath that filters are written in
shape.py      filters and joins of CSV and JSON records
client.py     a payload to the containers of an instance, with retries; streaming.py: one that is never held whole
parameters.py what the container says of how it wants to be called
assemble.py   the answers of one object in order, in a file
"""
