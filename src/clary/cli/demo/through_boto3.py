"""Breast cancer diagnosis with SageMaker's built-in XGBoost, through boto3 alone.

Ordinary AWS code: nothing in it knows of Clary. Run it with `clary run -- python through_boto3.py`.
"""

import contextlib
import io
import json
import sys
import time

import boto3
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

keep = "--keep" in sys.argv
name = f"demo-boto3-{time.strftime('%H%M%S')}"
sagemaker = boto3.client("sagemaker")
region = sagemaker.meta.region_name
account = boto3.client("sts").get_caller_identity()["Account"]
role = boto3.client("iam").get_role(RoleName="SageMakerRole")["Role"]["Arn"]
image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:1.7-1"
bucket = f"sagemaker-{region}-{account}"

# SageMaker's XGBoost reads CSV without a header, the label first.
features, labels = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(features, labels, test_size=0.3, random_state=1)


def csv(array):
    text = io.StringIO()
    np.savetxt(text, array, delimiter=",")
    return text.getvalue()


s3 = boto3.client("s3")
elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
    s3.create_bucket(Bucket=bucket, **elsewhere)
s3.put_object(Bucket=bucket, Key=f"{name}/train/train.csv", Body=csv(np.column_stack([y_train, x_train])))

started = time.time()
sagemaker.create_training_job(
    TrainingJobName=name,
    RoleArn=role,
    AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    HyperParameters={"objective": "binary:logistic", "num_round": "60", "max_depth": "4", "eval_metric": "auc"},
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/train"}},
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{name}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
    time.sleep(0.2)
if job["TrainingJobStatus"] != "Completed":
    raise SystemExit(f"training ended as {job['TrainingJobStatus']}: {job.get('FailureReason')}")
trained = time.time()
for transition in job["SecondaryStatusTransitions"]:
    print(f"{transition['StartTime']:%H:%M:%S} {transition['Status']}: {transition['StatusMessage']}")

sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=role,
    PrimaryContainer={"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]},
)
variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300})
deployed = time.time()

answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=name, ContentType="text/csv", Accept="text/csv", Body=csv(x_test)
)
scores = np.array(answer["Body"].read().decode().replace("\n", ",").strip(",").split(","), float)

if not keep:
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)

print(
    json.dumps(
        {
            "client": "boto3",
            "endpoint": name,
            "predictions": len(scores),
            "accuracy": round(accuracy_score(y_test, scores > 0.5), 4),
            "auc": round(roc_auc_score(y_test, scores), 4),
            "train_seconds": round(trained - started, 1),
            "deploy_seconds": round(deployed - trained, 1),
        }
    )
)
