"""SDK v2: what every notebook begins with."""

import sagemaker

session = sagemaker.Session()
account = session.account_id()
bucket = session.default_bucket()
assert bucket == f"sagemaker-{session.boto_region_name}-{account}", bucket
role = sagemaker.get_execution_role()
assert role == f"arn:aws:iam::{account}:role/SageMakerRole", role
assert session.upload_string_as_file_body("hello", bucket, "v2/hello.txt") == f"s3://{bucket}/v2/hello.txt"
assert session.read_s3_file(bucket, "v2/hello.txt") == "hello"
assert session.list_s3_files(bucket, "v2/") == ["v2/hello.txt"]
