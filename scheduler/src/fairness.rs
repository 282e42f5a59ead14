//! Whose jobs next, where a host's time does not suffice for everybody's: start-time fair queueing (Goyal, Vin
//! and Cheng, SIGCOMM 1996) between the clients whose jobs wait at one host.
//!
//! Each client has a tag: what it was given so far, in units that are smaller the larger its weight. Who has
//! the lowest tag is next. The host's clock is the lowest tag when a turn began: who comes back after a while
//! starts there, so nobody saves up for later. Within a client the earliest due job is first. What a job took
//! is known, and charged, when it ends; within a turn each counts as one exchange.

use std::collections::BTreeMap;

use model::Tenant;

/// What one exchange costs at weight 1. Divisions are whole, so that all schedules agree to the last digit.
pub(crate) const UNIT: u64 = 1_000_000;

/// What one host has given to the clients that have, or had, jobs there.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) clock: u64,
    pub(crate) clients: BTreeMap<String, Account>,
}

/// What a client was given, and what it is worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) tag: u64,
    pub(crate) weight: u32,
}

impl Account {
    /// A client's that was given nothing yet.
    pub(crate) fn new(weight: u32) -> Self {
        Self { tag: 0, weight }
    }

    /// What so many exchanges cost it.
    pub(crate) fn cost(self, exchanges: u32) -> u64 {
        u64::from(exchanges.max(1)) * (UNIT / u64::from(self.weight.max(1)))
    }

    /// Pays for what was done at a host whose clock stands at `clock`.
    pub(crate) fn pay(&mut self, clock: u64, exchanges: u32) {
        self.tag = self.tag.max(clock) + self.cost(exchanges);
    }
}

impl Shares {
    /// Of a host that was everybody's so far.
    pub(crate) fn of_everybody() -> Self {
        let Tenant { client, weight } = Tenant::shared();
        Self { clock: 0, clients: BTreeMap::from([(client, Account::new(weight))]) }
    }

    /// Begins a turn: the first `most` jobs in the order in which they are to be done. A queue holds a client's
    /// due jobs with their times, earliest first.
    pub(crate) fn begin_turn<D: Ord + Copy, T>(
        &mut self,
        queues: BTreeMap<String, Vec<(D, T)>>,
        most: usize,
    ) -> Vec<(D, T)> {
        let mut queues: Vec<_> = queues
            .into_iter()
            .map(|(client, jobs)| {
                let account = self.clients.get(&client).copied().unwrap_or(Account::new(1));
                (client, Account { tag: account.tag.max(self.clock), ..account }, jobs.into_iter().peekable())
            })
            .collect();
        let mut order = Vec::new();
        while order.len() < most {
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

    /// Charges a client for a job that ended.
    pub(crate) fn charge(&mut self, client: &str, exchanges: u32) {
        if let Some(account) = self.clients.get_mut(client) {
            account.pay(self.clock, exchanges);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each client was given after so many turns of ten jobs, all of them always waiting. A job of
    /// `clients` takes so many exchanges.
    fn given(clients: &[(&str, u32, u32)], turns: usize) -> Vec<u64> {
        let mut shares = Shares::default();
        for (name, weight, _) in clients {
            shares.clients.insert((*name).to_owned(), Account::new(*weight));
        }
        let mut given = vec![0; clients.len()];
        for _ in 0..turns {
            let waiting = clients.iter().enumerate().map(|(place, (name, ..))| {
                ((*name).to_owned(), (0..20).map(|due| (due, place)).collect::<Vec<_>>())
            });
            for (_, place) in shares.begin_turn(waiting.collect(), 10) {
                let (name, _, exchanges) = clients[place];
                given[place] += u64::from(exchanges);
                shares.charge(name, exchanges);
            }
        }
        given
    }

    /// Jain's index of fairness (DEC-TR-301, 1984): 1 where all have the same, 1/n where one has everything.
    fn jain(given: &[f64]) -> f64 {
        let sum: f64 = given.iter().sum();
        sum * sum / (given.len() as f64 * given.iter().map(|one| one * one).sum::<f64>())
    }

    #[test]
    fn clients_are_given_what_they_weigh() {
        let given = given(&[("flood", 1, 1), ("plan", 3, 1), ("small", 1, 1)], 100);
        assert_eq!(given.iter().sum::<u64>(), 1000);
        assert!(given[1].abs_diff(600) <= 10, "{given:?}");
        assert!(given[0].abs_diff(given[2]) <= 10, "{given:?}");
    }

    /// One whose jobs take nine exchanges each gets no more of the host than one whose jobs take one.
    #[test]
    fn what_counts_is_what_jobs_took() {
        let clients: Vec<(String, u32)> = (0..20).map(|n| (format!("c{n}"), 1 + n % 9)).collect();
        let clients: Vec<(&str, u32, u32)> = clients.iter().map(|(n, cost)| (n.as_str(), 1, *cost)).collect();
        let fair: Vec<f64> = given(&clients, 400).into_iter().map(|given| given as f64).collect();
        assert!(jain(&fair) > 0.99, "{fair:?}");
        // The control: had each the same number of jobs.
        let unfair: Vec<f64> = clients.iter().map(|(.., cost)| f64::from(*cost)).collect();
        assert!(jain(&unfair) < 0.8);
    }

    #[test]
    fn who_was_away_saved_nothing_up() {
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
