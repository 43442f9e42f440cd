"""A script for `mpirun`: ranks of two hosts add up what they hold."""

import argparse
import os
import socket

from mpi4py import MPI

parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=int, default=1)
scale = parser.parse_args().scale
world = MPI.COMM_WORLD
total = world.allreduce(scale * (world.rank + 1))
print(f"rank {world.rank} of {world.size} on {socket.gethostname()}: {total}", flush=True)
if world.rank == 0:
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "total.txt"), "w") as model:  # noqa: PTH118, PTH123
        model.write(str(total))
