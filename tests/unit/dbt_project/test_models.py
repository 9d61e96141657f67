"""The layers build one after the other; every model and column is described, every key tested, every mart under contract."""

import re
from pathlib import Path

import yaml

MODELS = Path(__file__).resolve().parents[3] / "dbt_project/models"
LAYERS = ["staging", "intermediate", "marts"]
SQL = sorted(MODELS.glob("*/*.sql"))
KEY_TESTS = {"unique", "unique_together", "unique_for_some_items"}
# Its rows depend on the files of others, not on logic of its own.
PLAIN = {"fct_daily_item_sales", "fct_item_promotions", "fct_user_days", "gate_results", "dim_dates", "release_lists",
         "experiment_results"}  # fmt: skip


def described(path: Path) -> dict:
    """What the yml beside a model says of it."""
    (model,) = yaml.safe_load(path.with_suffix(".yml").read_text())["models"]
    assert model["name"] == path.stem
    return model


def kinds_of_tests(model: dict) -> set[str]:
    found = [*model.get("data_tests", ()), *(test for column in model["columns"] for test in column.get("data_tests", ()))]
    return {next(iter(test)) if isinstance(test, dict) else test for test in found}


def test_there_are_the_models_that_were_promised():
    marts = {path.stem for path in SQL if path.parent.name == "marts"}
    assert {
        "dim_users", "dim_items", "dim_dates", "fct_interactions", "fct_sessions", "fct_daily_item_sales", "fct_user_item",
        "daily_kpis", "category_performance", "customer_cohorts", "repeat_purchase", "price_and_promotion_response",
        "recommendation_performance", "gate_results",
    } <= marts  # fmt: skip
    assert len(SQL) >= 24


def test_no_model_reads_a_later_layer():
    layer_of = {path.stem: LAYERS.index(path.parent.name) for path in SQL}
    for path in SQL:
        for name in re.findall(r"ref\('(\w+)'\)", path.read_text()):
            assert layer_of[name] <= layer_of[path.stem], f"{path.stem} reads {name} of a later layer"


def test_only_staging_reads_raw():
    for path in SQL:
        assert "source('raw'" not in path.read_text() or path.parent.name == "staging", path.stem


def test_every_model_is_described_with_its_grain():
    for path in SQL:
        assert "one row per" in described(path)["description"], path.stem


def test_every_column_is_described():
    for path in SQL:
        columns = described(path)["columns"]
        assert columns, path.stem
        for column in columns:
            assert column["description"].endswith((".", "?", "…")), f"{path.stem}.{column['name']}"


def test_every_key_is_tested():
    for path in SQL:
        assert kinds_of_tests(described(path)) & KEY_TESTS, f"{path.stem} has no test of its key"


def test_every_column_of_a_mart_has_a_type_as_the_contract_asks():
    for path in SQL:
        if path.parent.name == "marts":
            for column in described(path)["columns"]:
                assert column.get("data_type"), f"{path.stem}.{column['name']}"


def test_logic_that_can_be_wrong_has_unit_tests():
    for path in SQL:
        if path.parent.name == "marts" and path.stem not in PLAIN:
            text = path.with_suffix(".yml").read_text()
            assert yaml.safe_load(text).get("unit_tests"), f"{path.stem} has no unit test"


def test_no_test_of_a_key_reads_the_whole_history():
    """A test of a table that grows with the dates is about the dates being built."""
    growing = {
        "fct_interactions", "fct_sessions", "fct_daily_item_sales", "fct_user_days", "fct_item_promotions", "fct_item_weeks",
        "category_performance", "recommended_purchases", "fct_user_item", "stg_interactions", "stg_items",
        "fct_experiment_user_days", "experiment_performance",
    }  # fmt: skip
    for path in SQL:
        if path.stem in growing:
            for test in described(path).get("data_tests", []):
                assert "where" in next(iter(test.values())).get("config", {}), path.stem
