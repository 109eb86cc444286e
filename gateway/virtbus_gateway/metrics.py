"""What the gateway measures of itself."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("virtbus_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
DURATIONS = Histogram(
    "virtbus_http_request_duration_seconds", "Time from a request's head to the end of its answer", ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300),
)  # fmt: skip
JOBS_ACCEPTED = Counter("virtbus_jobs_accepted_total", "Jobs accepted, without repeats", ["operation"])
SSE_CLIENTS = Gauge("virtbus_event_clients", "Clients that follow events now")
SSE_EVENTS = Counter("virtbus_events_delivered_total", "Events handed to clients")
SSE_CUT_OFF = Counter("virtbus_event_clients_cut_off_total", "Clients cut off because they read too slowly")
SCRAPES = Histogram("virtbus_host_scrape_duration_seconds", "Time for the statistics of one host", ["outcome"])
