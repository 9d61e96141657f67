"""How many threads PyTorch computes with."""

import os

THREADS = max(1, (os.cpu_count() or 2) // 2)


def spare_cores() -> None:
    """Compute with half the cores from now on, unless OMP_NUM_THREADS says otherwise.

    Where two tasks meet, threads on all cores wait for one another and are several times slower.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(THREADS)
