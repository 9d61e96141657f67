"""Leave one out: both formats of files, what is held out, and places counted by hand."""

from math import log2, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import leave_one_out
from benchmarks.leave_one_out import Places, Split, evaluate, evaluate_rows, places, read_split

PAIRS = "ann a\nbob c\nann b\nann c\nbob a\nann d\nbob d\ncal a\ncal b\n"
LINES = "ann a b c d\nbob c a d\ncal a b\n"


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "interactions.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def named(split: Split) -> dict[str, list[str]]:
    return {user: [split.items[item] for item in own] for user, own in zip(split.users, split.sequences, strict=True)}


@pytest.mark.parametrize("text", [PAIRS, LINES, LINES.replace("\n", "\r\n\n")])
def test_both_formats_hold_the_same(tmp_path, text):
    assert named(read_split(written(tmp_path, text))) == {"ann": list("abcd"), "bob": list("cad"), "cal": list("ab")}


def test_codes_are_numbers_in_the_order_of_the_file(tmp_path):
    split = read_split(written(tmp_path, PAIRS))
    assert split.users == ["ann", "bob", "cal"]
    assert split.items == ["a", "c", "b", "d"]
    assert [own.tolist() for own in split.sequences] == [[0, 2, 1, 3], [1, 0, 3], [0, 2]]


def test_the_last_two_items_are_held_out_of_users_with_three(tmp_path):
    split = read_split(written(tmp_path, LINES))  # a, b, c, d are 0 to 3
    assert [own.tolist() for own in split.train] == [[0, 1], [2], [0, 1]]
    assert split.measured.tolist() == [0, 1]
    assert [own.tolist() for own in split.histories("validation")] == [[0, 1], [2]]
    assert [own.tolist() for own in split.histories("test")] == [[0, 1, 2], [2, 0]]
    assert split.targets("validation").tolist() == [2, 0]
    assert split.targets("test").tolist() == [3, 3]


def test_counts_of_items_in_sequences():
    split = Split(["u"], list("abc"), [])
    assert split.counts([np.array([2, 0, 2]), np.array([], int)]).toarray().tolist() == [[1, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ann a b c\nbob\n", r"interactions\.txt, line 2: user bob without an item"),
        ("ann a 5\n\nann b 4\n", r"interactions\.txt, line 3: user ann has had a line before"),
        (b"ann a b c\nbob \xff a\n", r"interactions\.txt, line 2: not UTF-8"),
        ("ann a b\nbob c\n", r"interactions\.txt: no user has three items"),
        ("", r"interactions\.txt: no user has three items"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path, text, message):
    with pytest.raises(SystemExit, match=message):
        read_split(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SystemExit, match=r"none\.txt cannot be read \(No such file or directory\): give DATA=FILE"):
        read_split(tmp_path / "none.txt")


def test_places_among_the_items_outside_the_history():
    scores = np.array([[9.0, 3, 2, 1], [9, 3, 2, 1], [5, 5, 5, 5]])
    histories = [np.array([0]), np.array([1, 3]), np.array([0, 0])]
    # First: 1 is ahead of 2. Second: 0 is ahead of 2. Third: 1 and 3 tie with 2 and count against it.
    assert places(scores, histories, np.array([2, 2, 2])).tolist() == [2, 2, 3]


def test_a_target_that_was_there_before_is_ranked():
    assert places(np.array([[1.0, 3, 2]]), [np.array([0, 1])], np.array([0])).tolist() == [2]


def test_scores_that_are_no_number_count_against_the_target():
    assert places(np.array([[nan, 1.0, 0.0]]), [np.array([2])], np.array([1])).tolist() == [2]
    assert places(np.array([[0.0, nan, 0.0]]), [np.array([2])], np.array([1])).tolist() == [2]


def test_measures_by_hand():
    found = Places(np.array([1, 3, 10, 11]))
    assert found.hits.tolist() == [1, 1, 1, 0]
    assert found.ndcg == pytest.approx([1, 1 / 2, 1 / log2(11), 0])
    assert found.means() == pytest.approx({
        "hr_at_10": 3 / 4, "ndcg_at_10": (1.5 + 1 / log2(11)) / 4, "mrr": (1 + 1 / 3 + 1 / 10 + 1 / 11) / 4,
    })  # fmt: skip


def test_batches_do_not_change_the_places(tmp_path, monkeypatch):
    split = read_split(written(tmp_path, "u a b c d e\nv b a d e c\nw c d e a b\n"))
    table = np.random.default_rng(3).normal(size=(5, 5))

    def by_last_item(histories: list[np.ndarray]) -> np.ndarray:
        return table[[own[-1] for own in histories]]

    together = evaluate(split, by_last_item)
    monkeypatch.setattr(leave_one_out, "USERS_PER_BATCH", 2)
    assert evaluate(split, by_last_item).places.tolist() == together.places.tolist()
    rows = by_last_item(split.histories("test"))
    assert evaluate_rows(split, rows.__getitem__).places.tolist() == together.places.tolist()


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=9), min_size=1, max_size=8))
def test_a_constant_score_puts_the_target_last_and_knowing_it_puts_it_first(sequences):
    items = 31
    split = Split([str(n) for n in range(len(sequences))], [str(n) for n in range(items)], [np.array(own) for own in sequences])
    targets = split.targets("test")
    outside = [items - len(set(own[:-1]) - {own[-1]}) for own in sequences]
    assert evaluate_rows(split, lambda rows: np.zeros((len(targets[rows]), items))).places.tolist() == outside
    assert evaluate_rows(split, lambda rows: np.eye(items)[targets[rows]]).places.tolist() == [1] * len(sequences)
