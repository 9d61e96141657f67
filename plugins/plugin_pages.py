"""What the pages under Airflow's own address have in common: who sees them, and that nothing in them runs."""

from fastapi import Request

# A page holds what a shop's files held: nothing in it may run, and nothing is loaded from elsewhere.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


async def signed_in(request: Request) -> None:
    """Let through who has Airflow's session cookie, or its token in the header; else 401 or 403."""
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from airflow.api_fastapi.core_api.security import resolve_user_from_token

    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    await resolve_user_from_token(token if scheme.lower() == "bearer" else request.cookies.get(COOKIE_NAME_JWT_TOKEN))
