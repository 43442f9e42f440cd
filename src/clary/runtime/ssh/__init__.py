"""`ssh` and `sshd` between the hosts of one job, for images that bring MPI: what `mpirun` starts its daemons with.

The real protocol, by paramiko, between hosts that share one key; there is no other user to log in, no terminal and no
forwarding. Runs inside the sandbox, in the image's environment.
"""
