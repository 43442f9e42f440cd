"""The container's side of AWS's multi-model contract: models are loaded, called and unloaded one by one, by name.

app       one worker: the contract's paths
models    what this worker has loaded, and how much memory it takes
register  what the container counts as loaded, shared by its workers
modules   the code that each model brings, kept apart from the others'
"""
