"""Serverless variants: instances come with calls and go when nobody calls.

config   what a ServerlessConfig may be, and what it gives an instance
sizing   how many instances there are to be, from which slots are in use: for the reconciler
calls    a call's way to an instance, which it may have to wait for: for the server processes
"""
