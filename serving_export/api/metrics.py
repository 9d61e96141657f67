"""What the API counts, for Prometheus. No label holds anything of a user."""

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)

REQUESTS = Counter("cartwheel_api_requests_total", "Requests answered.", ("route", "status"))
SECONDS = Histogram("cartwheel_api_request_seconds", "Time until the answer began.", ("route",), buckets=BUCKETS)
ANSWERS = Counter("cartwheel_api_answers_total", "Lists by where they came from.", ("source",))
STORE_FAILURES = Counter("cartwheel_api_store_failures_total", "Questions that a store could not answer.", ("store",))
JOURNALLED = Counter("cartwheel_api_journalled_total", "Records that are safe in the journal.", ("kind",))
LOST = Counter("cartwheel_api_impressions_lost_total", "Lists whose impressions could not be journalled.")
UPLOADED = Counter("cartwheel_api_uploaded_events_total", "Events put into the landing bucket.")
WAITING = Gauge("cartwheel_api_journal_waiting_bytes", "Journal that is not in the landing bucket yet.")
