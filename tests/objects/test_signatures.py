"""Who may: presigned URLs of both forms, virtual hosts, unsigned and tampered requests, browsers of other origins."""

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.objects.answers import keys
from tests.objects.conftest import BUCKET, Service


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def code(text: bytes) -> str:
    return text.decode().partition("<Code>")[2].partition("<")[0]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned(s3: Any, service: Service, version: str) -> None:
    client = service.client(signature_version=version)
    names = {"Bucket": BUCKET, "Key": "a b/c"}
    put = client.generate_presigned_url("put_object", Params=names)
    assert fetch(put, "PUT", b"by url", content_type="")[0] == 200
    get = client.generate_presigned_url("get_object", Params=names | {"ResponseContentType": "text/x"})
    assert fetch(get) == (200, b"by url")
    assert fetch(get.replace("text%2Fx", "text%2Fy"))[0] == 403
    assert fetch(get, "DELETE")[0] == 403
    listing = client.generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
    text = fetch(listing)[1]
    assert b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' in text
    assert b"<Key>a%20b/c</Key>" in text


def test_a_presigned_url_ends(s3: Any) -> None:
    late = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"}, ExpiresIn=-1)
    status, text = fetch(late)
    assert (status, code(text)) == (403, "AccessDenied")


def test_unsigned_requests_are_refused(s3: Any, service: Service) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    for method in ("GET", "PUT", "DELETE", "POST", "PATCH"):
        status, text = fetch(f"{service.url}/{BUCKET}/k", method, b"x" if method in ("PUT", "POST", "PATCH") else None)
        assert (method, status, code(text)) == (method, 403, "AccessDenied")
    assert fetch(f"{service.url}/{BUCKET}/k", "HEAD") == (403, b"")
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == ["k"]


def test_forms_are_refused_by_name(s3: Any) -> None:
    form = s3.generate_presigned_post(BUCKET, "k")
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in form["fields"].items()]
    kind = "multipart/form-data; boundary=x"
    status, text = fetch(form["url"], "POST", "".join([*parts, "--x--\r\n"]).encode(), content_type=kind)
    assert (status, code(text)) == (501, "NotImplemented")


def test_virtual_hosts(s3: Any, service: Service) -> None:
    port = urlsplit(service.url).port
    s3.put_object(Bucket=BUCKET, Key="folder/k", Body=b"x")
    for version in ("s3", "s3v4"):
        client = Service(f"http://localhost:{port}", service.objects).client(
            signature_version=version, s3={"addressing_style": "virtual"}
        )
        url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "folder/k"})
        parts = urlsplit(url)
        assert parts.hostname == f"{BUCKET}.localhost"
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"host": f"{BUCKET}.localhost:{port}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"x")
        connection.close()


def test_errors_say_what_and_where(s3: Any, service: Service) -> None:
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "no<&>"})
    status, text = fetch(url)
    assert status == 404
    for part in (b"<Code>NoSuchKey</Code>", b"<Key>no&lt;&amp;&gt;</Key>", b"<RequestId>", b"<Resource>/"):
        assert part in text


RULE = {
    "AllowedOrigins": ["https://*.example.com"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["x-amz-*"],
    "ExposeHeaders": ["etag"],
    "MaxAgeSeconds": 60,
}


def test_browsers_of_other_origins(s3: Any, service: Service) -> None:
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [RULE]})

    def preflight(origin: str, method: str, wanted: str = "") -> tuple[int, str | None]:
        connection = http.client.HTTPConnection(urlsplit(service.url).netloc)
        headers = {"Origin": origin, "Access-Control-Request-Method": method}
        if wanted:
            headers["Access-Control-Request-Headers"] = wanted
        connection.request("OPTIONS", f"/{BUCKET}/k", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers["access-control-allow-origin"]

    here = "https://app.example.com"
    assert preflight(here, "PUT", "x-amz-date, X-Amz-Content-Sha256") == (200, here)
    assert preflight(here, "DELETE") == (403, None)
    assert preflight("https://evil.com", "GET") == (403, None)
    assert preflight(here, "GET", "authorization") == (403, None)
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"})
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": here})) as answer:
        exposed = {
            name: answer.headers[name] for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
        }
    assert exposed == {"Access-Control-Allow-Origin": here, "Access-Control-Expose-Headers": "etag"}
