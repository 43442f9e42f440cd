"""Images that no managed runtime stands in for, run as real containers by Docker or podman.

`engine.py` speaks to the engine's socket, `find.py` chooses one, `images.py` says what an image URI means on this
machine, `launching.py` turns an instance into a container; the shim's side is `shim/container.py`. Parts that the
shim imports (`engine.py`) use the standard library only.
"""
