"""The busiest route without FastAPI's machinery: it is called at once, and its parameters are read by one model.

The layers around a route, solving dependencies and reading parameters field by field take longer than all the rest of an
answer. The OpenAPI document is told of the parameters here, and is as complete as for other routes.
"""

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving_export.api.errors import explain_http_error, explain_validation_error

Model = TypeVar("Model", bound=BaseModel)


class Shortcut:
    """Stands before an application and calls one of its routes at once; the endpoint takes the request alone (ASGI)."""

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self.app, self.route = app, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, found = self.route.matches(scope)
        if match is not Match.FULL:
            await self.app(scope, receive, send)
            return
        scope.update(found)
        request = Request(scope, receive, send)
        try:
            response = await self.route.endpoint(request)
        except RequestValidationError as error:
            response = await explain_validation_error(request, error)
        except HTTPException as error:
            response = await explain_http_error(request, error)
        await response(scope, receive, send)


def read_query(request: Request, model: type[Model], many: frozenset[str]) -> Model:
    """The parameters in the path and after it; those named in `many` may come several times.

    Raises:
        RequestValidationError: they are not as the model says.
    """
    given: dict[str, Any] = request.path_params
    if request.scope["query_string"]:
        given = {**request.query_params, **given}
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
