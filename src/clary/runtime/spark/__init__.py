"""What `smspark-submit` means inside the managed Spark image. Runs in the job's sandbox; standard library only.

`submit.py` is the program. One host runs Spark in local mode; several are a standalone cluster on the job's own
network: the first host has the master and the driver, every host a worker.
"""
