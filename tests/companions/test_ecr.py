from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

AWS = "763104351884"


def test_known_repositories(tenant: Tenant) -> None:
    ecr = tenant.client("ecr")
    found = ecr.describe_repositories(registryId=AWS, repositoryNames=["pytorch-training"])["repositories"]
    assert found == [
        {
            "repositoryArn": f"arn:aws:ecr:us-east-1:{AWS}:repository/pytorch-training",
            "registryId": AWS,
            "repositoryName": "pytorch-training",
            "repositoryUri": f"{AWS}.dkr.ecr.us-east-1.amazonaws.com/pytorch-training",
            "imageTagMutability": "IMMUTABLE",
        }
    ]
    pages = ecr.get_paginator("describe_repositories").paginate(registryId=AWS, PaginationConfig={"PageSize": 1})
    names = [[one["repositoryName"] for one in page["repositories"]] for page in pages]
    assert names == [["pytorch-inference"], ["pytorch-training"]]
    assert ecr.describe_repositories()["repositories"] == []
    with refused("RepositoryNotFoundException", "'mine' does not exist"):
        ecr.describe_repositories(repositoryNames=["mine"])
    with refused("RepositoryNotFoundException"):
        tenant.client("ecr", region="eu-west-1").list_images(registryId=AWS, repositoryName="pytorch-training")


def test_images_by_tag(tenant: Tenant) -> None:
    ecr = tenant.client("ecr")
    one = {"registryId": AWS, "repositoryName": "pytorch-inference"}
    assert ecr.list_images(**one)["imageIds"] == [{"imageTag": tag} for tag in ("1.0", "2.0", "3.0")]
    assert ecr.list_images(**one, filter={"tagStatus": "UNTAGGED"})["imageIds"] == []
    pages = ecr.get_paginator("describe_images").paginate(**one, PaginationConfig={"PageSize": 2})
    assert [[image["imageTags"] for image in page["imageDetails"]] for page in pages] == [[["1.0"], ["2.0"]], [["3.0"]]]
    assert ecr.describe_images(**one, imageIds=[{"imageTag": "2.0"}])["imageDetails"] == [one | {"imageTags": ["2.0"]}]
    with refused("ImageNotFoundException", "imageTag:'9'"):
        ecr.describe_images(**one, imageIds=[{"imageTag": "9"}])
    with refused("InvalidParameterException"):
        ecr.list_images(**one, nextToken="nonsense")


def test_awss_images_cannot_be_pulled_or_changed(tenant: Tenant) -> None:
    ecr = tenant.client("ecr")
    one = {"registryId": AWS, "repositoryName": "pytorch-training"}
    with refused("RepositoryNotFoundException", "recognised by name"):
        ecr.batch_get_image(**one, imageIds=[{"imageTag": "1"}])
    with refused("RepositoryNotFoundException", "recognised by name"):
        ecr.delete_repository(**one)
    with refused("InvalidParameterException", "another account"):
        ecr.create_repository(**one)
