"""What experiments.yaml may say, and what each mistake is called."""

import pytest
from annotated_types import Ge

from cartwheel.settings import Settings
from serving_export.experiments.definitions import DefinitionError, Rerank, Uses, read_experiments, stored_uses

GOOD = """
experiments:
  new_ranker:
    starts_on: 2017-12-01
    ends_on: 2017-12-28
    surface: home
    traffic: 0.5
    primary_metric: click_rate
    variants:
      control: {share: 0.6}
      treatment: {share: 0.4, uses: {model_version: "7"}}
"""


def read(tmp_path, text: str):
    path = tmp_path / "experiments.yaml"
    path.write_text(text)
    return read_experiments(path)


def test_an_experiment_as_it_is_defined(tmp_path):
    (experiment,) = read(tmp_path, GOOD).values()
    assert (experiment.name, experiment.control, experiment.unit) == ("new_ranker", "control", "user")
    assert experiment.variants["treatment"].uses.model_version == "7"
    assert experiment.ranges == {"control": (0, 3000), "treatment": (6000, 8000)}


def test_shares_are_those_of_whole_buckets(tmp_path):
    """0.85 and 0.15 of 0.1 % of the traffic are 8 buckets and 1."""
    text = GOOD.replace("traffic: 0.5", "traffic: 0.001").replace("0.6", "0.85").replace("0.4", "0.15")
    assert read(tmp_path, text)["new_ranker"].shares == {"control": 8 / 9, "treatment": 1 / 9}
    assert read(tmp_path, GOOD)["new_ranker"].shares == {"control": 0.6, "treatment": 0.4}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.6", "0.7", "new_ranker: Value error, the shares of the variants make 1.1, not 1"),
        ("2017-12-28", "2017-11-28", "ends_on lies before starts_on"),
        ("traffic", "trafic", "new_ranker.trafic: Extra inputs are not permitted"),
        ("click_rate", "clicks", "new_ranker.primary_metric: Input should be 'click_rate' or 'conversion_rate'"),
        ('model_version: "7"', "list: for_all", "there is no list 'for_all'; the lists are for_you, buy_again, discover"),
        ('model_version: "7"', "list: discover, model_version: '7'", "more than one of model_version, rerank and list"),
        ('model_version: "7"', "rerank: {diversity: 0.2}", "treatment.uses.rerank.diversity: Extra inputs are not permitted"),
        (
            'model_version: "7"',
            "rerank: {novelty_weight: -1}",
            "rerank.novelty_weight: Input should be greater than or equal to 0",
        ),
        ('model_version: "7"', "rerank: {kept_places: 2.5}", "rerank.kept_places: Input should be a valid integer"),
        ("traffic: 0.5", "traffic: 0.0001", "control, treatment: share × traffic is less than 1 in 10,000"),
        ("new_ranker", "New ranker", r"New ranker.name: String should match pattern"),
        ("  new_ranker:", "  - new_ranker:", "needs one key, `experiments`, with the experiments by name"),
        ("experiments:", "experiments: [", r"cannot be read \(setting CARTWHEEL_EXPERIMENTS_FILE\)"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    with pytest.raises(DefinitionError, match=message):
        read(tmp_path, GOOD.replace(old, new))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DefinitionError, match=r"none\.yaml: cannot be read"):
        read_experiments(tmp_path / "none.yaml")


def test_what_may_be_re_ranked_by_is_a_setting_with_the_same_limit():
    for name, field in Rerank.model_fields.items():
        assert [limit for limit in field.metadata if isinstance(limit, Ge)] == Settings.model_fields[name].metadata, name
    assert {"diversity_weight", "kept_places"} < Rerank.model_fields.keys()


def test_what_a_variant_sets_is_named_setting_by_setting():
    assert Uses().things == frozenset()
    assert Uses(rerank=Rerank(kept_places=0, novelty_weight=0)).things == {"rerank.kept_places", "rerank.novelty_weight"}
    assert Uses(list="discover", model_version="7").things == {"list", "model_version"}


def test_a_stored_definition_that_is_not_understood_is_named():
    assert stored_uses("e", "v", {"list": "discover"}) == Uses(list="discover")
    with pytest.raises(DefinitionError, match=r"e\.variants\.v\.uses, as the warehouse has it: rerank\.colour: Extra inputs"):
        stored_uses("e", "v", {"rerank": {"colour": 1}})
