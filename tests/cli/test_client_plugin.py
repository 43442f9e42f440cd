"""The botocore plugin, in a Python that has botocore and nothing of Clary's."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from clary.cli.clientenv import PLUGIN_FOLDER

PINNED = """
import boto3
sts = boto3.client("sts", region_name="us-east-1", endpoint_url="https://sts.us-east-1.amazonaws.com")
print(sts.get_caller_identity()["Account"])
"""
ANSWER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>42</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def test_a_pinned_aws_host_reaches_the_endpoint_with_its_signature_intact() -> None:
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append({"host": self.headers["Host"], "signed": self.headers["Authorization"]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environ = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "A",
            "AWS_SECRET_ACCESS_KEY": "B",
            "BOTOCORE_EXPERIMENTAL__PLUGINS": "clary=clary_client",
            "PYTHONPATH": str(PLUGIN_FOLDER),
        }
        ran = subprocess.run([sys.executable, "-c", PINNED], env=environ, capture_output=True, text=True, check=True)
        server.shutdown()
    assert json.loads(ran.stdout) == 42
    assert [entry["host"] for entry in seen] == ["sts.us-east-1.amazonaws.com"]
    assert "SignedHeaders=content-type;host;x-amz-date" in seen[0]["signed"]


def test_other_hosts_are_left_alone() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(PLUGIN_FOLDER)!r})
import clary_client
class Request:
    headers = {{}}
    def __init__(self, url): self.url = url
for url in ("http://localhost:9/x", "https://amazonaws.com.evil.example/", "https://s3.cn-north-1.amazonaws.com.cn/b?x=1"):
    request = Request(url); clary_client.redirect(request); print(request.url)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"AWS_ENDPOINT_URL": "http://here:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["http://localhost:9/x", "https://amazonaws.com.evil.example/", "http://here:1/b?x=1"]
