"""SDK v2: a decorated function runs as a training job; what it returns comes back."""

from pathlib import Path

import sagemaker
from sagemaker.remote_function import remote

session = sagemaker.Session()
settings = {
    "image_uri": sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1"),
    "instance_type": "ml.m5.large",
    "role": sagemaker.get_execution_role(session),
    "dependencies": str(Path(__file__).parent / "code" / "remote" / "v2.txt"),
    "sagemaker_session": session,
}


@remote(**settings)
def fit(rows, labels, depth=2):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth).fit(rows, labels).predict(rows).tolist()


assert fit([[0], [1]], ["a", "b"], 1) == ["a", "b"]
