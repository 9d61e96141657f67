"""Errors as the API tells them: one sentence in `detail`."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

NO_RELEASE = "no release has been published yet"


class Problem(BaseModel):
    detail: str = Field(description="What is wrong, as one sentence.")


def explain(app: FastAPI) -> None:
    """Give an application these error pages."""
    app.add_exception_handler(RequestValidationError, explain_validation_error)
    app.add_exception_handler(HTTPException, explain_http_error)


async def explain_validation_error(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with the request, as one sentence."""
    assert isinstance(error, RequestValidationError)
    problems = (f"{problem['loc'][-1]}: {problem['msg'][0].lower()}{problem['msg'][1:]}" for problem in error.errors())
    return JSONResponse({"detail": "; ".join(problems)}, 422)


async def explain_http_error(request: Request, error: Exception) -> JSONResponse:
    """Errors as one sentence, unknown addresses too."""
    assert isinstance(error, HTTPException)
    unknown = error.status_code == 404 and error.detail == "Not Found"
    detail = f"there is nothing at {request.url.path}; / lists the addresses" if unknown else error.detail
    return JSONResponse({"detail": detail}, error.status_code, error.headers)
