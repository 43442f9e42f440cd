"""An image of a user's own.

`train` fits a line to a CSV channel, `serve` answers /ping and /invocations with it, times every number that lies
beside the model, `process` lists an input.
"""

import csv
import http.server
import json
import math
import pathlib
import socket
import sys

ML = pathlib.Path("/opt/ml")


def train() -> None:
    rate = float(json.loads((ML / "input/config/hyperparameters.json").read_text()).get("scale", 1))
    rows = [
        [float(cell) for cell in row]
        for file in sorted((ML / "input/data/train").glob("*.csv"))
        for row in csv.reader(file.open())
    ]
    slope = sum(x * y for x, y in rows) / sum(x * x for x, _ in rows)
    loss = sum((y - slope * x) ** 2 for x, y in rows)
    print(f"loss={loss:.3f};", flush=True)
    (ML / "model/line.json").write_text(json.dumps({"slope": slope * rate}))


def process() -> None:
    config = json.loads((ML / "config/resourceconfig.json").read_text())
    for host in config["hosts"]:
        socket.gethostbyname(host)
    names = sorted(path.name for path in (ML / "processing/in").iterdir())
    told = " ".join([config["current_host"], *config["hosts"], *names])
    (ML / "processing/out" / config["current_host"]).write_text(told)


class Model(http.server.BaseHTTPRequestHandler):
    slope = 0.0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"\n".join(str(self.slope * float(line)).encode() for line in body.split()))

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve() -> None:
    beside = (ML / "additional-model-data-sources").glob("*/number")
    factor = math.prod(float(file.read_text()) for file in beside)
    Model.slope = factor * json.loads((ML / "model/line.json").read_text())["slope"]
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Model).serve_forever()


{"train": train, "serve": serve, "process": process}[sys.argv[1]]()
