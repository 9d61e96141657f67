"""Whatever the interface's own description allows, and what it forbids, is answered as it says and never with a 5xx.

Schemathesis makes the requests from the OpenAPI document; the stores, the keys and the journal are real.
"""

from collections.abc import Iterator
from datetime import date

import made_up_releases as made_up
import pytest
import schemathesis
from api_client import make_app
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings


@pytest.fixture(scope="module")
def app(stores: LocalConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    made_up.make_schema()
    made_up.publish(made_up.releases(), date(1999, 2, 4))
    yield make_app(tmp_path_factory.mktemp("journal"))
    made_up.drop_schema()


def test_every_request_is_answered_as_described(app: FastAPI) -> None:
    operations = [found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]
    assert {"/v1/events", "/v1/recommendations", "/v1/users/{user_id}/recommendations"} <= {each.path for each in operations}
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=40, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(
                headers={"Authorization": f"Bearer {get_settings().api_key}"},
                checks=[not_a_server_error, status_code_conformance, response_schema_conformance],
            )

        answered()
