"""Inference components: models that share the instances of an endpoint, each in as many copies as are asked for.

    kind        the kind as data, what Describe computes, what CreateInferenceComponent checks
    api         create, update, copies
    placing     whether the instances have room for one more copy, and how many have for all. Pure
    managed     how many instances a variant has whose instances follow the copies. Pure
    hosting     has them follow, for every look at an endpoint
    reconcile   keeps the copies as the record says: a component is a fleet of one variant, its copies the instances

A variant without a model has instances that run nothing themselves. They are what copies are counted against.
"""
