"""The little of other AWS services that SageMaker's clients need: identity, roles, logs, metrics, images, keys."""
