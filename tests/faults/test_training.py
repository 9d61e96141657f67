"""Training killed at any moment and run again ends with the bytes of an undisturbed run."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest
import training_shop

KILLS = 5


@pytest.fixture
def start():
    """Starts a training in a process of its own, forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training.train", "torch._inductor"])  # torch imports it when it is to be deterministic

    def started(checkpoints: Path, model: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=training_shop.train_and_save, args=(checkpoints, model))
        process.start()
        return process

    return started


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def last_written(checkpoints: Path) -> int:
    return max((path.stat().st_mtime_ns for path in checkpoints.glob("*.pt")), default=0)


def test_killed_and_run_again(start, tmp_path):
    for name in ("undisturbed", "again"):
        process = start(tmp_path / f"checkpoints of {name}", tmp_path / name)
        process.join()
        assert process.exitcode == 0
    assert contents(tmp_path / "undisturbed") == contents(tmp_path / "again")
    encoder, scorer = (tmp_path / "checkpoints of again" / f"{stage}.pt" for stage in ("encoder", "scorer"))
    epoch = (scorer.stat().st_mtime - encoder.stat().st_mtime) / training_shop.EPOCHS  # of the second stage, in seconds

    chance, kills, resumed = random.Random(7), 0, 0
    checkpoints, model = tmp_path / "checkpoints", tmp_path / "killed"
    while kills < KILLS or not resumed:
        before = last_written(checkpoints)
        process = start(checkpoints, model)
        while process.is_alive() and last_written(checkpoints) == before:
            time.sleep(0.005)  # until an epoch is through
        process.join(chance.random() * epoch)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            resumed += before > 0
        else:  # it got through: start over
            assert process.exitcode == 0 and contents(model) == contents(tmp_path / "undisturbed")
            for path in checkpoints.iterdir():
                path.unlink()
            checkpoints.rmdir()
    process = start(checkpoints, model)
    process.join()
    assert process.exitcode == 0
    assert contents(model) == contents(tmp_path / "undisturbed")
