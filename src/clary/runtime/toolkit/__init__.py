"""The training toolkit: what `train` means inside a managed image. Standard library only, started once per instance.

It honours the contract of AWS's own toolkit (SM_* variables, `sagemaker_*` hyperparameters, failure file), so that
scripts written for SageMaker run unchanged. `train.py` is the program; `main.py` reads top-down.
"""
