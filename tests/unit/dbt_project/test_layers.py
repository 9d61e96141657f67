"""The layers build one after the other, so a model may only read its own layer and those before it."""

import re
from pathlib import Path

MODELS = Path(__file__).resolve().parents[3] / "dbt_project/models"
LAYERS = ["staging", "intermediate", "marts"]


def test_no_model_reads_a_later_layer():
    layer_of = {path.stem: LAYERS.index(path.parent.name) for path in MODELS.glob("*/*.sql")}
    assert len(layer_of) >= 12
    for path in MODELS.glob("*/*.sql"):
        for name in re.findall(r"ref\('(\w+)'\)", path.read_text()):
            assert layer_of[name] <= layer_of[path.stem], f"{path.stem} reads {name} of a later layer"


def test_every_model_is_described_beside_it():
    for path in MODELS.glob("*/*.sql"):
        text = path.with_suffix(".yml").read_text()
        assert f"name: {path.stem}" in text and "description:" in text
