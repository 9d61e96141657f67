"""The documentation of the warehouse, as dbt makes it: every source, model, column and test, and how they hang together.

    make dbt-docs                                  builds it and serves it on 127.0.0.1:8580
    python -m cartwheel.dbt_docs --build-only      only builds it, into dbt_project/target

Reads the models and the warehouse's catalogue; the warehouse must be up.
"""

import argparse

from cartwheel.dbt import run_dbt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-only", action="store_true", help="do not serve it")
    parser.add_argument("--port", type=int, default=8580)
    arguments = parser.parse_args()
    run_dbt("docs", "generate", "--static")
    if not arguments.build_only:
        run_dbt("docs", "serve", "--host", "127.0.0.1", "--port", str(arguments.port), "--no-browser")


if __name__ == "__main__":
    main()
