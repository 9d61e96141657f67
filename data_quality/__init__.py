"""The gates between the stages: Great Expectations suites, one module per gate, and `gate`, which runs them."""

import os

# Read when great_expectations is imported: no gate calls home.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
