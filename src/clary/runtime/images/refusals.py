"""Why an image of AWS's has no managed runtime. Data: by repository where one differs from its framework, else by
framework, as `table.json` names both.

A user who has such an image on the machine gives it an alias (`clary images alias`), and it runs as a container.
"""

ALGORITHM = "this built-in algorithm of AWS's has not been rebuilt"
RETIRED = "AWS retired it, and its framework does not install on a current Python"
ACCELERATOR = "it needs an accelerator that only AWS has"
SERVER = "its server is not among those that endpoints run here"
PROCESSOR = "this processing application of AWS's is not built here"
WHOLE = "it is a whole distribution, not a framework"
COMPILED = "it runs models that AWS's compiler made"
LIBRARY = "its library comes with AWS's images only"
UNBUILT = "no runtime has been made for it"

BY_REPOSITORY = {
    "huggingface-tensorflow-training": "Transformers no longer supports TensorFlow",
    "huggingface-tensorflow-inference": "Transformers no longer supports TensorFlow",
    "tensorflow-inference-eia": RETIRED,
    "pytorch-inference-eia": RETIRED,
    "sagemaker-inference-mxnet": "models for it are not compiled here",
    "sagemaker-base-python": "the SDKs use it from Python 3.8 and 3.10 only, and runtimes have another Python",
    "sagemaker-tensorflow": RETIRED,
    "sagemaker-tensorflow-eia": RETIRED,
    "sagemaker-tensorflow-scriptmode": RETIRED,
    "sagemaker-tensorflow-serving": RETIRED,
    "sagemaker-tensorflow-serving-eia": RETIRED,
}

_FRAMEWORKS = {
    ALGORITHM: """blazingtext factorization-machines forecasting-deepar image-classification ipinsights kmeans knn lda
        linear-learner ntm object-detection object2vec pca randomcutforest semantic-segmentation seq2seq""",
    RETIRED: "chainer coach-mxnet coach-tensorflow mxnet vw ray-pytorch",
    ACCELERATOR: """huggingface-neuron huggingface-neuronx huggingface-llm-neuronx huggingface-vllm-neuronx
        hyperpod-recipes-neuron pytorch-neuron inferentia-mxnet inferentia-pytorch inferentia-tensorflow""",
    SERVER: """djl-deepspeed huggingface-llamacpp huggingface-sglang huggingface-tei huggingface-tei-cpu
        huggingface-vllm huggingface-vllm-omni llama-cpp llama-cpp-arm64 ray-serve sglang-server
        sparkml-serving stabilityai vllm-omni whisperx""",
    PROCESSOR: "clarify data-wrangler debugger detailed-profiler model-monitor sagemaker-geospatial",
    WHOLE: "sagemaker-distribution",
    COMPILED: "image-classification-neo neo-mxnet",
    LIBRARY: "huggingface-training-compiler pytorch-smp pytorch-training-compiler",
    UNBUILT: "autogluon pytorch-amzn2023 sagemaker-inspect-ai",
}
BY_FRAMEWORK = {framework: why for why, frameworks in _FRAMEWORKS.items() for framework in frameworks.split()}


def why_not(repository: str, framework: str) -> str:
    """A clause, for the end of a sentence."""
    return BY_REPOSITORY.get(repository) or BY_FRAMEWORK.get(framework, UNBUILT)
