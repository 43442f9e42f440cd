"""HTTP/1.1 for the API's port: `door.py` lets connections in, `connection.py` reads requests, `exchange.py` answers."""
