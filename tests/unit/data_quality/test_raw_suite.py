"""The raw suite follows from the landing contracts, so that a new field is checked without a second thought."""

import pytest

from cartwheel.contracts import EVENT_TYPES, INTERACTIONS, LANDING_CONTRACTS
from data_quality.raw import contract_expectations, is_checked


def described(contract) -> set[tuple]:
    return {(type(e).__name__, e.column) for e in contract_expectations(contract)}


@pytest.mark.parametrize("contract", LANDING_CONTRACTS.values(), ids=lambda contract: contract.name)
def test_every_rule_of_the_contract_becomes_an_expectation(contract):
    rules = described(contract)
    assert rules
    for field in contract.fields:
        assert (("ExpectColumnValuesToNotBeNull", field.name) in rules) == field.required
        assert (("ExpectColumnValuesToBeInSet", field.name) in rules) == (field.allowed is not None)
        limited = field.minimum is not None or field.maximum is not None
        assert (("ExpectColumnValuesToBeBetween", field.name) in rules) == limited
        assert is_checked(field) == any(column == field.name for _, column in rules)


def test_limits_and_values_are_the_contract_s():
    by_column = {(type(e).__name__, e.column): e for e in contract_expectations(INTERACTIONS)}
    assert by_column["ExpectColumnValuesToBeInSet", "event_type"].value_set == list(EVENT_TYPES)
    price = by_column["ExpectColumnValuesToBeBetween", "price"]
    assert (price.min_value, price.max_value) == (0, 1e9)
