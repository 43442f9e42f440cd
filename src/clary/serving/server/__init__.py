"""The model server that runs inside a managed runtime environment and answers `/ping` and `/invocations`.

Everything below this package is imported by the environment's Python, not by Clary's: the standard library and
numpy are there, a framework only in the file of that framework. Nothing here knows AWS.

    __main__    unpack, install, start the workers; what the sandbox runs
    workers     the processes: forked, replaced, ended
    front       one of them: who calls the model, and who looks after the connections meanwhile
    connections the connections of a worker
    requests    one connection: HTTP in, HTTP out
    app         what a request is answered, or which model is called for it
    script      user code: which functions it gives, and in what order they are called
    codecs      bytes to arrays and back
    frameworks  the defaults of scikit-learn, PyTorch and XGBoost, one file each
"""
