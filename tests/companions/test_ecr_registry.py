"""The account's own repositories: made by boto3, filled and read over the protocol that container engines speak."""

import base64
import hashlib
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Engine:
    """What docker and podman do, by hand."""

    def __init__(self, tenant: Tenant, region: str = "us-east-1") -> None:
        self.ecr = tenant.client("ecr", region=region)
        self.url = urlsplit(tenant.site.url)
        token = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self.authorization = f"Basic {token}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        line = http.client.HTTPConnection(str(self.url.hostname), self.url.port, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            line.request(method, path, body or None, {"Authorization": self.authorization} | given)
            with line.getresponse() as answer:
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            line.close()

    def error(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        status, _, content = self.ask(method, path, body, **headers)
        return status, json.loads(content)["errors"][0]["code"]

    def push_blob(self, name: str, content: bytes) -> str:
        status, headers, _ = self.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert status == 202
        digest = sha(content)
        status, headers, _ = self.ask("PUT", f"{headers['location']}?digest={digest}", content)
        assert (status, headers["docker-content-digest"]) == (201, digest)
        return digest

    def push(self, name: str, tag: str, *layers: bytes) -> str:
        blobs = [self.push_blob(name, content) for content in (b"{}", *layers)]
        described = [{"mediaType": "x/y", "size": 2, "digest": digest} for digest in blobs]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
        content = json.dumps(manifest).encode()
        status, headers, _ = self.ask("PUT", f"/v2/{name}/manifests/{tag}", content, Content_Type=MANIFEST)
        assert (status, headers["docker-content-digest"]) == (201, sha(content))
        return sha(content)


@pytest.fixture
def engine(tenant: Tenant) -> Engine:
    engine = Engine(tenant)
    engine.ecr.create_repository(repositoryName="mine")
    return engine


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_repositories_are_made_shown_and_deleted(tenant: Tenant) -> None:
    ecr = tenant.client("ecr")
    made = ecr.create_repository(repositoryName="team/mine", imageTagMutability="IMMUTABLE")["repository"]
    created = made.pop("createdAt")
    assert made == {
        "repositoryArn": f"arn:aws:ecr:us-east-1:{tenant.account}:repository/team/mine",
        "registryId": tenant.account,
        "repositoryName": "team/mine",
        "repositoryUri": "127.0.0.1:8470/team/mine",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    assert ecr.describe_repositories()["repositories"] == [made | {"createdAt": created}]
    with refused("RepositoryAlreadyExistsException", "'team/mine' already exists"):
        ecr.create_repository(repositoryName="team/mine")
    assert tenant.client("ecr", region="eu-west-1").describe_repositories()["repositories"] == []
    assert ecr.delete_repository(repositoryName="team/mine")["repository"]["repositoryName"] == "team/mine"
    with refused("RepositoryNotFoundException"):
        ecr.delete_repository(repositoryName="team/mine")


@pytest.mark.parametrize("name", ["../up", "a//b", "UPPER", "a/../b", "-a", "a/", "a b"])
def test_names_that_are_none(tenant: Tenant, name: str) -> None:
    with refused("InvalidParameterException"):
        tenant.client("ecr").create_repository(repositoryName=name)


def test_an_image_is_pushed_shown_pulled_and_deleted(engine: Engine) -> None:
    ecr = engine.ecr
    layer = bytes(range(256)) * 10_000
    digest = engine.push("mine", "1.0", layer)
    assert engine.push("mine", "latest", layer) == digest
    detail = ecr.describe_images(repositoryName="mine")["imageDetails"][0]
    assert (detail["imageDigest"], detail["imageTags"], detail["imageSizeInBytes"]) == (digest, ["1.0", "latest"], 4)
    both = [{"imageDigest": digest, "imageTag": tag} for tag in ("1.0", "latest")]
    pages = ecr.get_paginator("list_images").paginate(repositoryName="mine", PaginationConfig={"PageSize": 1})
    assert [page["imageIds"] for page in pages] == [[both[0]], [both[1]]]
    assert json.loads(engine.ask("GET", "/v2/mine/tags/list")[2]) == {"name": "mine", "tags": ["1.0", "latest"]}
    assert json.loads(engine.ask("GET", "/v2/mine/tags/list?n=1&last=1.0")[2])["tags"] == ["latest"]
    status, headers, manifest = engine.ask("GET", "/v2/mine/manifests/1.0")
    assert (status, headers["content-type"], headers["docker-content-digest"]) == (200, MANIFEST, digest)
    assert engine.ask("HEAD", f"/v2/mine/manifests/{digest}")[0] == 200
    assert engine.ask("GET", f"/v2/mine/blobs/{sha(layer)}")[2] == layer
    got = ecr.batch_get_image(repositoryName="mine", imageIds=[{"imageTag": "1.0"}, {"imageTag": "2"}])
    assert got["images"][0]["imageManifest"].encode() == manifest
    assert [failure["failureCode"] for failure in got["failures"]] == ["ImageNotFound"]
    with refused("RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName="mine")
    assert ecr.batch_delete_image(repositoryName="mine", imageIds=[{"imageTag": "1.0"}])["imageIds"] == [both[0]]
    assert ecr.list_images(repositoryName="mine")["imageIds"] == [both[1]]
    ecr.delete_repository(repositoryName="mine", force=True)
    assert engine.error("GET", "/v2/mine/manifests/latest") == (404, "NAME_UNKNOWN")


def test_blobs_come_in_chunks_and_are_mounted(engine: Engine) -> None:
    content = b"0123456789" * 1000
    _, headers, _ = engine.ask("POST", "/v2/mine/blobs/uploads/")
    place = headers["location"]
    status, headers, _ = engine.ask("PATCH", place, content[:6000], Content_Range="0-5999")
    assert (status, headers["range"]) == (202, "0-5999")
    assert engine.error("PATCH", place, content[5000:], Content_Range="5000-9999") == (416, "BLOB_UPLOAD_INVALID")
    assert engine.ask("GET", place)[1]["range"] == "0-5999"
    assert engine.ask("PATCH", place, content[6000:], Content_Range="6000-9999")[0] == 202
    assert engine.ask("PUT", f"{place}?digest={sha(content)}")[0] == 201
    assert engine.error("PATCH", place, b"more") == (404, "BLOB_UPLOAD_UNKNOWN")
    engine.ecr.create_repository(repositoryName="other")
    assert engine.ask("POST", f"/v2/other/blobs/uploads/?mount={sha(content)}&from=mine")[0] == 201
    assert engine.ask("GET", f"/v2/other/blobs/{sha(content)}")[2] == content
    assert engine.ask("POST", f"/v2/other/blobs/uploads/?mount={sha(b'none')}&from=mine")[0] == 202
    assert engine.ask("POST", f"/v2/other/blobs/uploads/?digest={sha(b'whole')}", b"whole")[0] == 201


def test_content_that_is_not_what_it_says_is_refused(engine: Engine, tenant: Tenant) -> None:
    _, headers, _ = engine.ask("POST", "/v2/mine/blobs/uploads/")
    assert engine.error("PUT", f"{headers['location']}?digest={sha(b'other')}", b"this") == (400, "DIGEST_INVALID")
    assert engine.error("PUT", f"{headers['location']}?digest={sha(b'this')}", b"this") == (404, "BLOB_UPLOAD_UNKNOWN")
    folder = tenant.site.home / "registry" / tenant.account
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("reference", "document", "expected"),
    [
        ("1", b"no json", (400, "MANIFEST_INVALID")),
        ("1", b"[" * 100_000, (400, "MANIFEST_INVALID")),
        ("1", b"[]", (400, "MANIFEST_INVALID")),
        ("1", {"schemaVersion": 1}, (400, "MANIFEST_INVALID")),
        ("1", {"schemaVersion": 2, "config": {"digest": "sha256:../../x", "size": 1}}, (400, "MANIFEST_INVALID")),
        ("1", {"schemaVersion": 2, "config": {"digest": sha(b""), "size": -1}}, (400, "MANIFEST_INVALID")),
        ("1", {"schemaVersion": 2, "config": {"digest": sha(b"x"), "size": 1}}, (400, "MANIFEST_BLOB_UNKNOWN")),
        ("1", {"schemaVersion": 2, "manifests": [{"digest": sha(b"x"), "size": 1}]}, (404, "MANIFEST_UNKNOWN")),
        (".1", {"schemaVersion": 2}, (400, "TAG_INVALID")),
        ("a" * 129, {"schemaVersion": 2}, (400, "TAG_INVALID")),
        (sha(b"other"), {"schemaVersion": 2}, (400, "DIGEST_INVALID")),
        ("1", b" " * 5_000_000, (413, "MANIFEST_INVALID")),
    ],
)
def test_manifests_that_are_refused(engine: Engine, reference: str, document: Any, expected: tuple[int, str]) -> None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    assert engine.error("PUT", f"/v2/mine/manifests/{reference}", content, Content_Type=MANIFEST) == expected


def test_a_manifest_of_another_type_than_it_says_is_refused(engine: Engine) -> None:
    config = {"digest": engine.push_blob("mine", b"{}"), "size": 2}
    content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config}).encode()
    assert engine.error("PUT", "/v2/mine/manifests/1", content, Content_Type=INDEX) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v2/none/tags/list", (404, "NAME_UNKNOWN")),
        ("GET", "/v2/UPPER/tags/list", (400, "NAME_INVALID")),
        ("GET", "/v2/..%2F..%2Fetc/tags/list", (400, "NAME_INVALID")),
        ("GET", "/v2/mine/blobs/..%2f..%2fclary.db", (404, "UNSUPPORTED")),
        ("GET", "/v2/mine/blobs/sha256:1", (400, "DIGEST_INVALID")),
        ("GET", "/v2/mine/blobs/" + "sha256:" + "0" * 64, (404, "BLOB_UNKNOWN")),
        ("GET", "/v2/mine/blobs/uploads/..", (404, "BLOB_UPLOAD_UNKNOWN")),
        ("GET", "/v2/mine/manifests/none", (404, "MANIFEST_UNKNOWN")),
        ("DELETE", "/v2/mine/manifests/none", (405, "UNSUPPORTED")),
        ("GET", "/v2/mine", (404, "UNSUPPORTED")),
    ],
)
def test_paths_that_lead_nowhere(engine: Engine, method: str, path: str, expected: tuple[int, str]) -> None:
    assert engine.error(method, path) == expected


def test_immutable_tags_stay(engine: Engine) -> None:
    engine.ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    first = engine.push("fixed", "1", b"a")
    assert engine.push("fixed", "1", b"a") == first
    blob = engine.push_blob("fixed", b"b")
    content = json.dumps({"schemaVersion": 2, "config": {"digest": blob, "size": 1}, "layers": []}).encode()
    assert engine.error("PUT", "/v2/fixed/manifests/1", content, Content_Type=MANIFEST) == (400, "TAG_INVALID")
    moved = engine.push("mine", "1", b"a"), engine.push("mine", "1", b"b")
    shown = engine.ecr.describe_images(repositoryName="mine", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert [each["imageDigest"] for each in shown] == [moved[1]]


def test_only_passwords_of_the_account_open_its_registry(engine: Engine, site: Any) -> None:
    engine.push("mine", "1", b"secret layer")
    other = Engine(Tenant(site))
    other.ecr.create_repository(repositoryName="mine")
    assert other.error("GET", "/v2/mine/manifests/1") == (404, "MANIFEST_UNKNOWN")
    assert other.error("GET", f"/v2/mine/blobs/{sha(b'secret layer')}") == (404, "BLOB_UNKNOWN")
    assert json.loads(engine.ask("GET", "/v2/_catalog")[2]) == {"repositories": ["mine"]}
    own = base64.b64decode(engine.authorization.split()[1]).decode()
    access_key, secret, token, region = json.loads(base64.b64decode(own.partition(":")[2]))
    bad = [
        [access_key, "x" * len(secret), token, region],
        [access_key, secret, token + "x", region],
        [access_key, secret, "", region],
        [access_key, secret, token, "../../eu"],
        [access_key, secret, token],
        "text",
    ]
    for password in bad:
        engine.authorization = f"Basic {_basic('AWS', json.dumps(password))}"
        assert engine.error("GET", "/v2/mine/manifests/1") == (401, "UNAUTHORIZED")
    for header in ("", "Basic ???", f"Basic {base64.b64encode(b'AWS:nonsense').decode()}", "Bearer x"):
        engine.authorization = header
        status, headers, _ = engine.ask("GET", "/v2/")
        assert (status, headers["www-authenticate"][:6]) == (401, "Basic ")


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{base64.b64encode(password.encode()).decode()}".encode()).decode()
