"""docs/your-shop.md stays true: its reference is that of the models, its examples load."""

import re

import pytest

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.settings import PROJECT_ROOT, Settings
from cartwheel.shop.mapping import parse_mapping
from cartwheel.shop.models import SourceSpec
from cartwheel.shop.reference import reference

TEXT = (PROJECT_ROOT / "docs/your-shop.md").read_text()
EXAMPLES = [block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "sources:" in block]


def test_the_reference_is_that_of_the_models():
    assert TEXT.split("<!-- reference -->\n")[1].split("<!-- end of reference -->")[0] == reference()
    assert all(f"| `{name}` |" in reference() for name in SourceSpec.model_fields)


def test_there_are_examples():
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(example: str):
    mapping = parse_mapping(example, "docs/your-shop.md")
    assert {source.contract.name for source in mapping.sources} <= set(LANDING_CONTRACTS)


def test_settings_it_names_exist():
    named = set(re.findall(r"CARTWHEEL_([A-Z_]+)", TEXT))
    assert named == {"SHOP_FILE", "MIN_ITEM_PURCHASES"}
    assert {name.lower() for name in named} <= set(Settings.model_fields)
