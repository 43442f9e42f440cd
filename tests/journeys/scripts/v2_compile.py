"""SDK v2: the built-in XGBoost trained, compiled for ml_c5, deployed as compiled, against the plain model's answers."""

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
features, labels = load_breast_cancer(return_X_y=True)
text = "\n".join(",".join(map(str, row)) for row in np.column_stack([labels, features]))
bucket = session.default_bucket()
uri = session.upload_string_as_file_body(text, bucket, "v2-compile/train/data.csv")
estimator = sagemaker.estimator.Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    sagemaker.get_execution_role(session),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"objective": "binary:logistic", "num_round": 40},
)
estimator.fit({"train": sagemaker.TrainingInput(uri, content_type="text/csv")}, logs=False)
compiled = estimator.compile_model(
    target_instance_family="ml_c5",
    input_shape={"data": [1, 30]},
    output_path=f"s3://{bucket}/v2-compile/compiled",
    framework="xgboost",
    framework_version="1.7",
)
assert compiled.model_data == f"s3://{bucket}/v2-compile/compiled/model-ml_c5.tar.gz", compiled.model_data
assert "/xgboost-neo:" in compiled.image_uri, compiled.image_uri
predictor = estimator.deploy(
    1, "ml.c5.large", use_compiled_model=True, serializer=CSVSerializer(), deserializer=CSVDeserializer()
)
answer = np.array(predictor.predict(features), float).ravel()
assert ((answer > 0.5) == labels).mean() > 0.98, answer
predictor.delete_model()
predictor.delete_endpoint()
