"""Running a model's containers: what everything that serves models shares.

spec.py         what a model's spec says of its containers, and what they are called
artefacts.py    where in S3 the spec says that model data and code are, and getting them
keep.py         a hold on them, so that a container can start again
placing.py      what a container needs that its model does not say
plan.py         a container as a workload
"""
