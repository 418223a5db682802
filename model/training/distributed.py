"""The processes that train one model together, as torchrun started them.

`torchrun` (`python -m torch.distributed.run`) starts one process a GPU, on one host or several, and
tells each by environment variables who it is and where the others are. A process that it did not
start is a world of its own: nothing here then needs `torch.distributed`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.device import resolve_device

PATIENCE = timedelta(hours=6)  # for the others: the first process makes stage 2's latents alone


@dataclass(frozen=True, slots=True)
class World:
    """All processes of a training, seen from one of them."""

    rank: int = 0  # of this process
    size: int = 1

    @classmethod
    def current(cls) -> World:
        """The world that `joined` set up; outside of it this process alone."""
        if not dist.is_initialized():
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files, draws bars and reports."""
        return self.rank == 0

    def wrapped(self, module: nn.Module) -> nn.Module:
        """A module of equal outputs whose gradients are means over the world.

        It talks in a group of its own: torch never lets go of the group of a wrapped module, and
        gloo's threads must be gone before the interpreter is, once they touched Python's tensors.
        """
        if self.size == 1:
            return module
        return DistributedDataParallel(module, process_group=dist.new_group(timeout=PATIENCE))

    @staticmethod
    def gathering(module: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """A block of forward and backward that joins gradients with the world's if it is `last`.

        Until then they add up in each process alone.
        """
        if last or not isinstance(module, DistributedDataParallel):
            return nullcontext()
        held: AbstractContextManager[None] = module.no_sync()
        return held

    def mean(self, values: Tensor) -> Tensor:
        """The mean of every process's `values`; all of them must ask."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def largest(self, value: int) -> int:
        """The largest of every process's `value`; all of them must ask. Waits for no GPU."""
        if self.size == 1:
            return value
        values = torch.tensor(value)  # on the CPU, where gloo carries it
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return int(values)

    def agrees(self, value: int) -> bool:
        """Whether every process has the same `value`; all of them must ask."""
        return self.largest(value) == -self.largest(-value)

    def wait(self) -> None:
        """Go on once every process is here."""
        self.largest(0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """A block that the others enter once the first process has left it.

        What the first one writes, the others find; what it refuses, they refuse too.
        """
        if not self.leads:
            self.wait()
        try:
            yield
        finally:
            if self.leads:
                self.wait()


@contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """Join the world that torchrun started, if it did; the device that this process trains on.

    GPUs talk through NCCL, CPUs through gloo.

    Args:
        device: "cpu", "cuda" or "auto"; under torchrun "cuda" is the GPU of the local rank.

    Raises:
        ValueError: the host has fewer GPUs than processes.
    """
    if not dist.is_torchelastic_launched():
        yield resolve_device(device)
        return
    chosen = _local_device(device)
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)  # torchrun's variables say the rest
    try:
        yield chosen
    finally:
        dist.destroy_process_group()


def _local_device(device: str) -> torch.device:
    """The device of this process among those of its host."""
    if resolve_device(device).type == "cpu":
        return torch.device("cpu")
    rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if rank >= gpus:
        raise ValueError(
            f"torchrun started more processes on this host than its {gpus} GPUs: "
            f"give --nproc-per-node {gpus}, or --device cpu"
        )
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)
