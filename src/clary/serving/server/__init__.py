"""The model server that runs inside a managed runtime environment and answers `/ping` and `/invocations`.

Everything below this package is imported by the environment's Python, not by Clary's: the standard library,
granian and numpy are there, a framework only in the file of that framework. Nothing here knows AWS.

    __main__    unpack, install, start granian; what the sandbox runs
    app         one worker: HTTP on one side, a model on the other
    script      user code: which functions it gives, and in what order they are called
    codecs      bytes to arrays and back
    frameworks  the defaults of scikit-learn, PyTorch and XGBoost, one file each
"""
