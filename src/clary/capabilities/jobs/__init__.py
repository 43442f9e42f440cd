"""What jobs of every kind share: the line for room, data laid out before the start, results put into S3, the way back
to this server. Training still has its own of some.
"""
