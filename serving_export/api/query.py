"""Parameters of the busiest route, read by one model at once.

FastAPI reads them field by field, which takes longer than all the rest of an answer; here its documentation is told of them.
"""

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


def read_query(request: Request, model: type[Model], many: frozenset[str]) -> Model:
    """The parameters in the path and after it; those named in `many` may come several times.

    Raises:
        RequestValidationError: they are not as the model says.
    """
    given: dict[str, Any] = {**request.query_params, **request.path_params}
    for name in many & given.keys():
        given[name] = request.query_params.getlist(name)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def parameters_of(model: type[BaseModel], in_path: str) -> dict[str, Any]:
    """The same for the OpenAPI document, as `openapi_extra` of a route."""
    schema = model.model_json_schema()
    parameters = []
    for name, field in schema["properties"].items():
        place = "path" if name == in_path else "query"
        parameters.append(
            {
                "name": name,
                "in": place,
                "required": name == in_path,
                "description": field.pop("description", ""),
                "schema": field,
            }
        )
    return {"parameters": parameters}
