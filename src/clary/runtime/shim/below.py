"""Opening a folder in a tree that others change meanwhile: by one name at a time, and never through a link."""

import os


def open_folder(root: str, path: str) -> int:
    """A descriptor of `path`, which is `root` or below it, to mount. Raises `OSError` for a link on the way."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    fd = os.open(root, flags)
    for name in os.path.relpath(path, root).split("/"):
        above, fd = fd, os.open(name, flags | os.O_NOFOLLOW, dir_fd=fd)
        os.close(above)
    return fd
