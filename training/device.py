"""Where training runs: one CPU, one GPU, or the processes that `torchrun` started.

A program that is started plainly is alone. Under `torchrun` each process has a rank, a GPU of its own if the machine has
GPUs, and the others to talk to (NCCL between GPUs, Gloo between CPUs). The first process, rank 0, is the one that logs,
evaluates, and writes files.
"""

import atexit
import functools
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

COMPILE_FROM_STEPS = 2000  # compiling takes about a minute: fewer steps do not earn it back


def set_up() -> None:
    """Join the processes of `torchrun` if it started this one, and ask for algorithms that give the same bits every time.

    Called before anything is put on a GPU; calling it again does nothing.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, matrix products on a GPU may differ in bits
    torch.use_deterministic_algorithms(True, warn_only=True)
    if "RANK" not in os.environ or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(dist.destroy_process_group)


def chosen() -> torch.device:
    """The GPU, of several the one of this process; without any, the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that logs, evaluates, and writes files."""
    return rank() == 0


def from_first(value: Any) -> Any:
    """The first process's `value`, in every process; all have to call it."""
    values = [value]
    if processes() > 1:
        dist.broadcast_object_list(values)
    return values[0]


def total(values: Tensor) -> Tensor:
    """The sum of `values` over all processes; all have to call it."""
    if processes() > 1:
        dist.all_reduce(values)
    return values


def shared(objective: nn.Module) -> nn.Module:
    """A module whose gradients are means over all processes; alone, the module itself. Its forward must give the loss."""
    if processes() == 1:
        return objective
    return DistributedDataParallel(objective, broadcast_buffers=False, find_unused_parameters=True)


@functools.cache
def product_type(device: torch.device) -> torch.dtype:
    """What matrix products of the catalogue's softmax are made in: bfloat16 where that is quicker."""
    if device.type == "cuda":
        return torch.bfloat16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def arithmetic(device: torch.device) -> list[str | int]:
    """What of a machine decides the bits that a training ends with."""
    on_gpu = device.type == "cuda"
    processor = torch.cuda.get_device_name(device) if on_gpu else torch.backends.cpu.get_cpu_capability()
    return [device.type, processor, torch.get_num_threads(), str(product_type(device))]


def autocast(device: torch.device) -> torch.autocast:
    """On a GPU, matrix products in bfloat16; on a CPU nothing changes."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def compile_if_worth_it(module: nn.Module, steps: int) -> None:
    """Compile the module's forward in place for a long training on a GPU."""
    on_gpu = next(module.parameters()).device.type == "cuda"
    if on_gpu and steps >= COMPILE_FROM_STEPS:
        module.compile()
