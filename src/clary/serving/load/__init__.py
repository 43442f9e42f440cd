"""A load test of one endpoint: users in a loop, more of them step by step. Inference Recommender runs it.

    __main__   what the sandbox runs: the test from a file, a line for each step, the outcome to a file
    asked      what is asked and what was found, as values
    users      the users, their calls and their clocks
    line       one user's connection
    signing    AWS's signature, for those and for whoever else calls an API without botocore

The standard library only: it runs on the bare interpreter, inside the instance of its own.
"""
