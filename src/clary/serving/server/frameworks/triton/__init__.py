"""Triton's contract without its program: a model repository, asked in KServe's v2 JSON, or in its binary form.

tensors     requests and answers: JSON and binary to numpy arrays and back
settings    `config.pbtxt`, as far as these backends read it
fitting     whether the one fits the other
backends    ONNX Runtime and Python models
torchscript TorchScript
pb_utils    what a Python model imports as `triton_python_backend_utils`
"""
