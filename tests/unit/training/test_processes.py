"""Processes that `torchrun` starts train one model: the one that a single process trains on all their batches together."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from training.loop import Schedule, fit

INPUTS = torch.arange(30.0).reshape(10, 3) / 30
SCHEDULE = Schedule(epochs=3, learning_rate=0.1, weight_decay=0.1, average=1)
PROGRAM = f"""
import sys
from datetime import date
from pathlib import Path

import torch
import training_shop

sys.path.append({str(Path(__file__).parent)!r})
from test_processes import train
from training import device
from training.train import fit as fit_ranker

torch.set_num_threads(1)
folder, evaluated = Path(sys.argv[1]), []
first, losses = train(
    list(torch.arange(10).split(2)), checkpoint=folder / "sum.pt", validate=lambda _: evaluated.append(0) or 1.5
)
again, _ = train(list(torch.arange(10).split(2)), checkpoint=folder / "sum.pt")  # from its checkpoint: nothing is left to do
torch.save((evaluated, first, again, losses), folder / f"sum-{{device.rank()}}-of-{{device.processes()}}.pt")

cutoff = date(1999, 6, 1)
tables, events = {{cutoff: training_shop.tables(cutoff)}}, {{cutoff: training_shop.labels(cutoff)}}
ranker, _ = fit_ranker(tables, events, 5, checkpoints=folder / "checkpoints", encoder_epochs=2, scorer_epochs=2)
ranker.save(folder / f"ranker-{{device.rank()}}")
"""


def train(batches, **options):
    """Fit nothing but zeros; returns the weights and the losses."""
    torch.manual_seed(1)
    module = nn.Linear(3, 1)
    history = fit(
        "zeros", module, lambda _: batches, lambda rows: (module(INPUTS[rows]) ** 2).mean(), len(batches), SCHEDULE, 1, **options
    )
    return module.state_dict(), history.losses


def test_two_processes(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        tmp_path / "program.py",
        tmp_path,
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    (evaluated, weights, again, losses), (not_evaluated, others, _, others_losses) = (
        torch.load(tmp_path / f"sum-{rank}-of-2.pt") for rank in range(2)
    )
    assert (evaluated, not_evaluated) == ([0, 0, 0], [])
    assert losses == others_losses
    # Each round takes a batch for each process; the fifth has no partner, so the first comes again.
    alone, losses_alone = train([torch.tensor(rows) for rows in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1])])
    for name in alone:
        assert torch.equal(weights[name], others[name]) and torch.equal(weights[name], again[name])
        assert torch.allclose(weights[name], alone[name], rtol=1e-5)
    assert torch.allclose(torch.tensor(losses), torch.tensor(losses_alone), rtol=1e-5)

    for name in ("weights.pt", "config.json"):
        assert (tmp_path / "ranker-0" / name).read_bytes() == (tmp_path / "ranker-1" / name).read_bytes()
    assert done.stdout.count("step=2/2") == 2  # the last epoch of both stages, told by the first process alone
