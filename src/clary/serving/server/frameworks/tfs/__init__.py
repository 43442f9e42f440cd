"""TensorFlow Serving's contract without its program: models are called in this process.

    forms         what a client may send, as TensorFlow Serving's JSON
    columns       from a form to columns of values, and back
    served        what answers, with a script's handlers around it
    versions      which models and versions a folder holds
    saved_models  the models, loaded; one call of one signature
    compiled      a compiled model instead of SavedModels
    examples      classify and regress, whose inputs are features
    handlers      a user's `input_handler` and `output_handler`, or `handler`
    rest          the REST address that a `handler` calls

Only `saved_models` and `examples` import TensorFlow.
"""
