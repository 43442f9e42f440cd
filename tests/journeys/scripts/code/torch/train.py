"""User code: two hosts fit a line together under torchrun, gradients averaged by gloo."""

import os
from pathlib import Path

import torch
import torch.distributed as dist

HIDDEN = 1


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, HIDDEN)

    def forward(self, x):
        return self.layer(x)


def main():
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"rank {rank} of {world} on {os.environ['SM_CURRENT_HOST']}", flush=True)
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(Line())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    # Each rank sees its half only; the slope is right only if both halves count.
    x = torch.linspace(0, 1, 64).unsqueeze(1)[rank::world]
    for _ in range(300):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), 3 * x + 1)
        loss.backward()
        optimizer.step()
    total = torch.ones(1)
    dist.all_reduce(total)
    print(f"rank {rank} loss={loss.item():.6f} ranks={int(total.item())}", flush=True)
    if rank == 0:
        torch.save(model.module.state_dict(), Path(os.environ["SM_MODEL_DIR"], "model.pth"))
    dist.destroy_process_group()


def model_fn(model_dir):
    model = Line()
    model.load_state_dict(torch.load(Path(model_dir, "model.pth")))
    return model.eval()


if __name__ == "__main__":
    main()
