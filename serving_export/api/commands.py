"""The commands `make-api-key`, `api-keys` and `revoke-api-key` of the command line `cartwheel`."""

from typing import Annotated

import typer


def make_api_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, for example web-shop.")],
    scope: Annotated[list[str], typer.Option(help="recommend, events or metrics; may be given several times.")],
    requests_per_s: Annotated[float | None, typer.Option(min=0.01, help="Its rate; by default the setting's.")] = None,
) -> None:
    """Make a key of the API and print it, this once: only its salted hash is kept."""
    from cartwheel import api_keys, warehouse

    token = api_keys.new_token()
    try:
        with warehouse.connect() as connection:
            api_keys.add(connection, token, name, scope, requests_per_s)
    except ValueError as error:
        typer.echo(f"cartwheel: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(token)


def list_api_keys() -> None:
    """List the keys of the API, those in force first."""
    from rich.console import Console
    from rich.table import Table

    from cartwheel import warehouse

    table = Table("Key", "Name", "Scopes", "Requests/s", "Made (UTC)", "Revoked (UTC)")
    query = (
        "select key_id, name, scopes, requests_per_s, created_at, revoked_at from serving.api_keys"
        " order by revoked_at nulls first, created_at"
    )
    with warehouse.connect() as connection:
        for key_id, name, scopes, rate, made, revoked in connection.execute(query):
            shown_rate = "default" if rate is None else f"{rate:g}"
            table.add_row(key_id, name, ", ".join(scopes), shown_rate, str(made)[:19], str(revoked or "")[:19])
    Console().print(table)


def revoke_api_key(key: Annotated[str, typer.Argument(help="The key's id, as `cartwheel api-keys` shows it.")]) -> None:
    """Put a key of the API out of force; it stops working within two seconds."""
    from cartwheel import api_keys, warehouse

    with warehouse.connect() as connection:
        if not api_keys.revoke(connection, key):
            typer.echo(f"cartwheel: no key {key!r} is in force: `cartwheel api-keys` shows those that are", err=True)
            raise typer.Exit(1)
    typer.echo(f"Key {key} is revoked.")
