"""The listening socket. `workers.py` makes one for each worker."""

import socket


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A socket on an address that others may share, if they are the same user's. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    door = socket.socket(family, kind, protocol)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.bind(address)
        door.listen(backlog)
    except BaseException:
        door.close()
        raise
    return door
