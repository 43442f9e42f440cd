"""What jobs of every kind share: data laid out before the start, results put into S3, the way back to this server.

Processing jobs are made of it; training still has its own of some.
"""
