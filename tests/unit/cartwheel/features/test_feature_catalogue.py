"""The feature catalogue: complete, the origin of the schemas, and in the guide."""

import re

import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.features import FEATURES, TEXTS, UNITS
from cartwheel.features.__main__ import END, GUIDE, START, tables

ENTRIES = [(dataset, feature) for dataset, features in FEATURES.items() for feature in features.features]


def test_every_column_of_the_lakes_features_has_an_entry():
    datasets = {name for name in LAKE_SCHEMAS if name.startswith("features/")}
    assert datasets and datasets == FEATURES.keys()
    for dataset, features in FEATURES.items():
        assert LAKE_SCHEMAS[dataset].names == [*features.keys, *(feature.name for feature in features.features)]
        assert len(set(LAKE_SCHEMAS[dataset].names)) == len(LAKE_SCHEMAS[dataset].names), dataset


@pytest.mark.parametrize(("dataset", "feature"), ENTRIES, ids=[f"{dataset}-{feature.name}" for dataset, feature in ENTRIES])
def test_every_entry_says_all_six_things(dataset, feature):
    said = {text: getattr(feature, text) for text in TEXTS}
    assert len(said) == 6 and all(words.strip() for words in said.values()), said
    assert "|" not in "".join(said.values())
    assert feature.unit in UNITS
    assert feature.meaning.endswith(".")
    for source in feature.source.split(", "):
        assert source == "calendar" or source in LAKE_SCHEMAS, f"{dataset} {feature.name}: the lake has no dataset {source}"
    if (days := re.search(r"_(\d+)$", feature.name)) and feature.unit != "coordinate":
        window = re.fullmatch(r"(\d+) days?", feature.window)
        assert window and int(window[1]) >= int(days[1]), f"{feature.name} looks at {feature.window}"


def test_the_guide_has_the_catalogue():
    written = GUIDE.read_text().partition(START)[2].partition(END)[0]
    assert len(ENTRIES) > 40
    assert written.strip() == tables().strip(), "run `python -m cartwheel.features`"
