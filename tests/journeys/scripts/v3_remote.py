"""SDK v3: decorated functions run as training jobs; what they return and raise comes back."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.remote_function import RemoteExecutor, remote

session = Session()
settings = {
    "image_uri": image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1"),
    "instance_type": "ml.m5.large",
    "role": get_execution_role(session),
    "dependencies": str(Path(__file__).parent / "code" / "remote" / "v3.txt"),
    "sagemaker_session": session,
}


@remote(**settings)
def fit(rows, labels, depth=2):
    from sklearn.tree import DecisionTreeClassifier

    if depth < 1:
        raise ValueError(f"no tree of depth {depth}")
    return DecisionTreeClassifier(max_depth=depth).fit(rows, labels).predict(rows).tolist()


with RemoteExecutor(max_parallel_jobs=1, **settings) as executor:
    failed = executor.submit(fit.__wrapped__, [[0], [1]], ["a", "b"], 0)
    assert fit([[0], [1]], ["a", "b"], 1) == ["a", "b"]
    try:
        failed.result()
    except ValueError as error:
        assert str(error) == "no tree of depth 0"
    else:
        raise AssertionError("the error of the function did not come back")
