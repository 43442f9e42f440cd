"""Clary: Amazon SageMaker on your own machines. Start reading at `app.py`."""
