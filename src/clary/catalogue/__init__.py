"""Instance types as AWS has them, and the hosts that this Clary has for them.

`types` is AWS's side, from a data file: figures, usages, offerings, list prices. `fleet` is ours: which host stands in
which Region and zone, and which types it carries. Capabilities, the companions EC2, Service Quotas and Pricing, and the
command line read both.
"""
