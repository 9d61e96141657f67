"""The operations guide lists the checks that there are."""

import pytest

from cartwheel.settings import PROJECT_ROOT
from data_quality import catalogue
from data_quality.gate import SUITES


def test_the_operations_guide_has_the_catalogue():
    guide = (PROJECT_ROOT / "docs/operations.md").read_text()
    written = guide.partition("<!-- catalogue -->\n")[2].partition("<!-- end of catalogue -->")[0]
    assert written.strip() == catalogue.tables().strip(), "paste what `python -m data_quality.catalogue` prints"


@pytest.mark.parametrize("gate", SUITES)
def test_every_check_of_every_gate_says_what_to_do(gate):
    rules = SUITES[gate].rules()
    assert rules
    for name, rule in rules.items():
        assert rule.expectations and rule.advice, name
        assert name.endswith(catalogue.DRIFT) or f"{name}" in catalogue.checks()
    assert any(name.endswith(catalogue.DRIFT) for name in rules), f"gate {gate} looks at no drift"
