"""TensorFlow Serving's contract without its program: models are SavedModels, called in this process.

    forms         what a client may send, as TensorFlow Serving's JSON
    versions      which models and versions a folder holds
    saved_models  the models, loaded; one call of one signature
    examples      classify and regress, whose inputs are features
    handlers      a user's `input_handler` and `output_handler`, or `handler`
    rest          the REST address that a `handler` calls

Only `saved_models` and `examples` import TensorFlow.
"""
