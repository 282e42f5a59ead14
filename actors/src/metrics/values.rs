//! Histogram buckets, and conversion of counts to gauge values.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Creates a histogram of durations from 10 ms to about three minutes.
pub(super) fn seconds_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 15))
}

/// Creates a histogram of durations from 0.1 ms to about two seconds.
pub(super) fn milliseconds_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 15))
}

/// Creates a histogram of durations from one second to about nine hours.
pub(super) fn age_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 16))
}

/// Sets a gauge. A count that does not fit becomes `i64::MAX`.
pub(super) fn set_gauge(gauge: &Gauge, count: impl TryInto<i64>) {
    gauge.set(count.try_into().unwrap_or(i64::MAX));
}
