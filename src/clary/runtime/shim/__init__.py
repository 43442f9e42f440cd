"""The shim: one small process per instance that outlives everything above it.

Started by a backend as `python -I -S -c <START> <folder>`. Standard library only, few imports: it must be up
in some 50 ms and stay small, because there is one for every running instance.
"""
