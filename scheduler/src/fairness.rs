//! Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) between the clients whose jobs wait at one host
//! that cannot serve all of them.
//!
//! Each client has a tag: the service it has received, in units that are smaller for a larger weight. The client
//! with the lowest tag is next. The host's clock is the lowest tag at the start of the last turn: a client that
//! returns after a pause starts at the clock, so no client accumulates credit. Within a client the earliest due
//! job is first. A job is charged with its actual number of exchanges when it ends; within a turn each job counts as
//! one exchange.

use std::collections::BTreeMap;

use model::Tenant;

/// The cost of one exchange at weight 1. Divisions are integer divisions, so all schedules agree exactly.
pub(crate) const UNIT: u64 = 1_000_000;

/// The service that one host has given to its clients.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) clock: u64,
    pub(crate) clients: BTreeMap<String, Account>,
}

/// The tag and the weight of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) tag: u64,
    pub(crate) weight: u32,
}

impl Account {
    /// Returns the account of a client that has received no service yet.
    pub(crate) fn new(weight: u32) -> Self {
        Self { tag: 0, weight }
    }

    /// Returns the cost of a number of exchanges.
    pub(crate) fn cost(self, exchanges: u32) -> u64 {
        u64::from(exchanges.max(1)) * (UNIT / u64::from(self.weight.max(1)))
    }

    /// Charges exchanges at a host whose clock reads `clock`.
    pub(crate) fn charge(&mut self, clock: u64, exchanges: u32) {
        self.tag = self.tag.max(clock) + self.cost(exchanges);
    }
}

impl Shares {
    /// Returns the shares of a host that had only common jobs so far.
    pub(crate) fn common() -> Self {
        let Tenant { client, weight } = Tenant::shared();
        Self { clock: 0, clients: BTreeMap::from([(client, Account::new(weight))]) }
    }

    /// Begins a turn: returns its first `limit` jobs in the order of execution. A queue holds the due jobs of a client
    /// with their due times, earliest first.
    pub(crate) fn begin_turn<D: Ord + Copy, T>(
        &mut self,
        queues: BTreeMap<String, Vec<(D, T)>>,
        limit: usize,
    ) -> Vec<(D, T)> {
        let mut queues: Vec<_> = queues
            .into_iter()
            .map(|(client, jobs)| {
                let account = self.clients.get(&client).copied().unwrap_or(Account::new(1));
                (client, Account { tag: account.tag.max(self.clock), ..account }, jobs.into_iter().peekable())
            })
            .collect();
        let mut order = Vec::new();
        while order.len() < limit {
            let heads = queues.iter_mut().enumerate().filter_map(|(place, (client, account, jobs))| {
                Some((account.tag, jobs.peek()?.0, &*client, place))
            });
            let Some((.., place)) = heads.min() else { break };
            let (_, account, jobs) = &mut queues[place];
            if order.is_empty() {
                self.clock = account.tag;
            }
            account.tag += account.cost(1);
            order.extend(jobs.next());
        }
        order
    }

    /// Charges a client for a completed job.
    pub(crate) fn charge(&mut self, client: &str, exchanges: u32) {
        if let Some(account) = self.clients.get_mut(client) {
            account.charge(self.clock, exchanges);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of exchanges of each client after `turns` turns of ten jobs. Every client always has waiting
    /// jobs. An entry of `clients` is a name, a weight and the number of exchanges per job.
    fn exchanges_after(clients: &[(&str, u32, u32)], turns: usize) -> Vec<u64> {
        let mut shares = Shares::default();
        for (name, weight, _) in clients {
            shares.clients.insert((*name).to_owned(), Account::new(*weight));
        }
        let mut totals = vec![0; clients.len()];
        for _ in 0..turns {
            let waiting_jobs = clients.iter().enumerate().map(|(place, (name, ..))| {
                ((*name).to_owned(), (0..20).map(|due| (due, place)).collect::<Vec<_>>())
            });
            for (_, place) in shares.begin_turn(waiting_jobs.collect(), 10) {
                let (name, _, exchanges) = clients[place];
                totals[place] += u64::from(exchanges);
                shares.charge(name, exchanges);
            }
        }
        totals
    }

    /// Returns Jain's fairness index (DEC-TR-301, 1984): 1 if all values are equal, 1/n if one client has everything.
    fn jain(values: &[f64]) -> f64 {
        let sum: f64 = values.iter().sum();
        sum * sum / (values.len() as f64 * values.iter().map(|value| value * value).sum::<f64>())
    }

    #[test]
    fn clients_are_served_in_proportion_to_their_weights() {
        let totals = exchanges_after(&[("flood", 1, 1), ("plan", 3, 1), ("small", 1, 1)], 100);
        assert_eq!(totals.iter().sum::<u64>(), 1000);
        assert!(totals[1].abs_diff(600) <= 10, "{totals:?}");
        assert!(totals[0].abs_diff(totals[2]) <= 10, "{totals:?}");
    }

    /// A client whose jobs take nine exchanges each gets no more of the host than a client whose jobs take one.
    #[test]
    fn clients_are_charged_by_exchanges() {
        let clients: Vec<(String, u32)> = (0..20).map(|n| (format!("c{n}"), 1 + n % 9)).collect();
        let clients: Vec<(&str, u32, u32)> = clients.iter().map(|(n, cost)| (n.as_str(), 1, *cost)).collect();
        let fair: Vec<f64> = exchanges_after(&clients, 400).into_iter().map(|total| total as f64).collect();
        assert!(jain(&fair) > 0.99, "{fair:?}");
        // Control: every client runs the same number of jobs.
        let unfair: Vec<f64> = clients.iter().map(|(.., cost)| f64::from(*cost)).collect();
        assert!(jain(&unfair) < 0.8);
    }

    #[test]
    fn an_idle_client_accumulates_no_credit() {
        let mut shares = Shares::default();
        for name in ["away", "here"] {
            shares.clients.insert(name.to_owned(), Account::new(1));
        }
        let queue = |from: i32| (from..from + 10).map(|due| (due, ())).collect::<Vec<_>>();
        for _ in 0..1000 {
            shares.begin_turn([("here".to_owned(), queue(0))].into(), 1);
            shares.charge("here", 1);
        }
        let order =
            shares.begin_turn([("away".to_owned(), queue(100)), ("here".to_owned(), queue(0))].into(), 10);
        let of_away = order.iter().filter(|(due, ())| *due >= 100).count();
        assert!((5..=6).contains(&of_away), "{order:?}");
    }
}
