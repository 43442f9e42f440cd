"""SDK v3: what every notebook begins with."""

from sagemaker.core.helper.session_helper import Session, get_execution_role

session = Session()
account = session.account_id()
bucket = session.default_bucket()
assert bucket == f"sagemaker-{session.boto_region_name}-{account}", bucket
role = get_execution_role(session)
assert role == f"arn:aws:iam::{account}:role/SageMakerRole", role
uri = session.upload_string_as_file_body("hello", bucket, "v3/hello.txt")
assert uri == f"s3://{bucket}/v3/hello.txt", uri
assert session.read_s3_file(bucket, "v3/hello.txt") == "hello"
