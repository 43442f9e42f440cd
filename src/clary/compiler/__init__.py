"""Compiling models for the CPU they are served on: the job's program, and the engines that run what it makes.

Everything here is imported by the Python of the `neo` runtime environment, inside a sandbox: archives and pickles are
a stranger's. A framework is imported only in the files that are about it. Nothing here knows AWS.

    job       what the sandbox of a compilation job runs
    shapes    DataInputConfig
    sources   what a model was before, one file each: how it is read, called, sampled
    engines   what it is after, one file each: what candidates are made of, how they are loaded and called
    agree     whether two models answer alike
    measure   how long they take
    report    what is said of both
    manifest  the file by which a compiled artefact tells what it is

Adding an engine: a file in `engines` with `load`, and a row there. Adding a source: a file in `sources`, and a row.
"""
