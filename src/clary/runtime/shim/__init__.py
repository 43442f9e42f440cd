"""The shim: one small process per instance that outlives everything above it.

Forked by a nursery that the backend starts as `python -I -S -c <START>`. Standard library only, few imports: it must
stay small, because there is one for every running instance.
"""
