"""The busiest route without FastAPI's machinery: its parameters are read by one model at once.

Solving dependencies and reading parameters field by field takes longer than all the rest of an answer. The OpenAPI document
is told of the parameters here, and is as complete as for other routes.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Model = TypeVar("Model", bound=BaseModel)


class Direct(APIRoute):
    """A route whose endpoint takes the request alone, and is called with it at once."""

    def get_route_handler(self) -> Handler:
        return cast(Handler, self.endpoint)


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
