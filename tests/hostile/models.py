"""Models whose code does harm, as `inference.py` of a scikit-learn model."""

ECHO = """
import os, pickle, time
def model_fn(folder):
    return folder
def input_fn(body, content_type):
    return body
def predict_fn(body, model):
    text = body.decode("latin-1") if isinstance(body, bytes) else body
    if text == "sleep":
        time.sleep(300)
    if text == "exit":
        os._exit(3)
    if text == "raise":
        raise ValueError("no\\r\\nX-Forged: 1")
    if text == "memory":
        return "x" * (100 * 1024 * 1024)
    if text == "no text":
        return object()
    if text == "recursion":
        return predict_fn(body, model) + ""
    return text
def output_fn(prediction, accept):
    return prediction, "text/plain"
"""

IMPOSTOR = """
import os, socket, threading
PATH = os.environ.get("CLARY_RUN_DIR", "/opt/clary/run") + "/serve.sock"
OK = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"
ANSWERS = {
    b"garbage": b"\\x00\\xff\\x00garbage\\r\\n\\r\\n" * 100,
    b"nothing": b"",
    b"half": b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\nhalf",
    b"two lengths": b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nContent-Length: 5\\r\\n\\r\\nokevil",
    b"split": OK + b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nevil",
    b"status": b"HTTP/1.1 999 Odd\\r\\nContent-Length: 2\\r\\n\\r\\nok",
    b"header": b"HTTP/1.1 200 OK\\r\\nContent-Type: a\\x00b\\xff\\r\\n"
               b"X-Amzn-SageMaker-Custom-Attributes: \\xff\\x01\\r\\nContent-Length: 2\\r\\n\\r\\nok",
    b"endless head": b"HTTP/1.1 200 OK\\r\\n" + b"X: y\\r\\n" * 200000,
    b"declared": b"HTTP/1.1 200 OK\\r\\nContent-Length: 1073741824\\r\\n\\r\\n",
    b"chunks": b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nffffffffffffffff\\r\\nx",
    b"fine": OK,
}
def talk(sock):
    with sock:
        head = b""
        while True:
            while b"\\r\\n\\r\\n" not in head:
                block = sock.recv(65536)
                if not block:
                    return
                head += block
            first, _, head = head.partition(b"\\r\\n\\r\\n")
            lines = first.lower().split(b"\\r\\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            while len(head) < length:
                head += sock.recv(65536)
            body, head = head[:length], head[length:]
            if b"/ping" in first:
                sock.sendall(OK)
            elif body == b"1 GB":
                sock.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
                for _ in range(1024):
                    sock.sendall(bytes(1024 * 1024))
                return
            else:
                sock.sendall(ANSWERS[body])
                if body not in (b"fine", b"split"):
                    return
def model_fn(folder):
    try:
        os.unlink(PATH)
    except FileNotFoundError:
        pass
    server = socket.socket(socket.AF_UNIX)
    server.bind(PATH)
    server.listen(64)
    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
"""

BROKEN = """
raise RuntimeError("this model is broken on purpose")
"""

DEFAULT = """
def model_fn(folder):
    return folder
def predict_fn(data, model):
    return data
"""
