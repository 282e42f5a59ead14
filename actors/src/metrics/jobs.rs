//! Metrics of jobs, leases and the schedule.

use std::time::Duration;

use model::JobKind;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use scheduler::HostCounts;

use super::labels::{KindLabel, KindOutcomeLabels, ReasonLabel, StateLabel};
use super::values::{age_histogram, set_gauge};

const JOB_KINDS: [JobKind; 5] =
    [JobKind::Poll, JobKind::Backfill, JobKind::Pages, JobKind::WebSub, JobKind::Search];

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// Completed.
    Done,
    /// Due again: the job was interrupted, or its fetcher crashed.
    Retried,
    /// Suspended until an operator acts.
    Dead,
}

/// The reason for the end of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// Returned by this node.
    Released,
    /// Expired, or taken over by another node.
    Fenced,
}

#[derive(Debug)]
pub(super) struct JobMetrics {
    poll_lag: Family<KindLabel, Histogram>,
    jobs: Family<KindOutcomeLabels, Counter>,
    leases_acquired: Counter,
    leases_ended: Family<ReasonLabel, Counter>,
    hosts_owned: Gauge,
    schedule_hosts: Family<StateLabel, Gauge>,
    oldest_ready: Gauge,
}

impl JobMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            poll_lag: Family::new_with_constructor(age_histogram),
            jobs: Family::default(),
            leases_acquired: Counter::default(),
            leases_ended: Family::default(),
            hosts_owned: Gauge::default(),
            schedule_hosts: Family::default(),
            oldest_ready: Gauge::default(),
        };
        metrics.create_series();
        registry.register_with_unit(
            "poll_lag",
            "Delay of job starts after the job was due and its host free",
            Unit::Seconds,
            metrics.poll_lag.clone(),
        );
        registry.register("jobs", "Ended jobs by outcome", metrics.jobs.clone());
        registry.register("leases_acquired", "Claimed hosts", metrics.leases_acquired.clone());
        registry.register(
            "leases_ended",
            "Leases of hosts that were released or lost",
            metrics.leases_ended.clone(),
        );
        registry.register("hosts_owned", "Hosts leased by this node", metrics.hosts_owned.clone());
        registry.register(
            "schedule_hosts",
            "Hosts with jobs in the preferred shards of this node: waiting, ready to be claimed, leased",
            metrics.schedule_hosts.clone(),
        );
        registry.register_with_unit(
            "schedule_oldest_ready",
            "Time since the longest waiting ready host became ready",
            Unit::Seconds,
            metrics.oldest_ready.clone(),
        );
        metrics
    }

    fn create_series(&self) {
        for kind in JOB_KINDS.map(JobKind::as_str) {
            for outcome in ["done", "retried", "dead"] {
                drop(self.jobs.get_or_create(&KindOutcomeLabels { kind, outcome }));
            }
            drop(self.poll_lag.get_or_create(&KindLabel { kind }));
        }
        for reason in ["released", "fenced"] {
            drop(self.leases_ended.get_or_create(&ReasonLabel { reason }));
        }
    }

    pub(super) fn record_start(&self, kind: JobKind, lag: Duration) {
        self.poll_lag.get_or_create(&KindLabel { kind: kind.as_str() }).observe(lag.as_secs_f64());
    }

    pub(super) fn record_end(&self, kind: JobKind, end: JobEnd) {
        let outcome = match end {
            JobEnd::Done => "done",
            JobEnd::Retried => "retried",
            JobEnd::Dead => "dead",
        };
        self.jobs.get_or_create(&KindOutcomeLabels { kind: kind.as_str(), outcome }).inc();
    }

    pub(super) fn record_claim(&self, hosts: usize) {
        self.leases_acquired.inc_by(hosts as u64);
    }

    pub(super) fn record_lease_end(&self, end: LeaseEnd) {
        let reason = match end {
            LeaseEnd::Released => "released",
            LeaseEnd::Fenced => "fenced",
        };
        self.leases_ended.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(super) fn set_hosts_owned(&self, hosts: usize) {
        set_gauge(&self.hosts_owned, hosts);
    }

    pub(super) fn set_schedule(&self, counts: &HostCounts, oldest_ready: Duration) {
        let HostCounts { waiting, ready, leased, .. } = *counts;
        for (state, hosts) in [("waiting", waiting), ("ready", ready), ("leased", leased)] {
            set_gauge(&self.schedule_hosts.get_or_create(&StateLabel { state }), hosts);
        }
        set_gauge(&self.oldest_ready, oldest_ready.as_secs());
    }
}
