"""What jobs of every kind share, in the order of a job's life.

addresses.py                                S3 addresses of a request, which Create looks at
kind.py                                     their machine, and the words of refusals
reconcile.py, seen.py                       the look at a job, and what follows from it
starting.py                                 the start, of kinds that start in one step
line.py, turn.py                            waiting for room
hosts.py, resources.py, site.py             the hosts, and what plans need to know of this machine
reaching.py                                 variables, credentials and logs: the way back to this server
items.py, laying.py, landing.py, staging.py objects of S3 as files and streams, before the start
measures.py                                 what hosts use, into CloudWatch
failure.py                                  why an instance failed whose code had no part in it
mirror.py, uploads.py                       folders into S3; the large ones beside the reconciler
"""
