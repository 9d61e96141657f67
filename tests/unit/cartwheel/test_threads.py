"""PyTorch takes half the cores, unless the environment has decided."""

import pytest
import torch

from cartwheel import threads


@pytest.fixture(autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_half_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "THREADS", 2)
    threads.spare_cores()
    assert torch.get_num_threads() == 2


def test_the_environment_has_the_last_word(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads.spare_cores()
    assert torch.get_num_threads() == 3
