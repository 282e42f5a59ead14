//! What a Redis must be like before anything is entrusted to it.

use redis::Value;

use super::link::Link;
use crate::schedule::ScheduleError;

/// Refuses a server that would evict keys; warns of one that keeps nothing on disk.
pub(super) async fn check(link: &Link) -> Result<(), ScheduleError> {
    let memory = info(link, "memory").await?;
    if let Some(problem) = eviction(&memory) {
        return Err(ScheduleError::Storage(format!("Redis ({}): {problem}", link.address())));
    }
    warn_of_split_brain(link).await;
    let persistence = info(link, "persistence").await?;
    if fields(&persistence, "aof_enabled").any(|enabled| enabled == "0") {
        tracing::warn!(
            redis = %link.address(),
            "it keeps no append-only file: when it restarts, every host rests for one delay and the schedule is \
             rebuilt from the store; `appendonly yes` avoids that"
        );
    }
    Ok(())
}

/// An old master that is cut off together with a node would go on renewing its leases.
async fn warn_of_split_brain(link: &Link) {
    let asked = redis::cmd("CONFIG").arg("GET").arg("min-replicas-to-write").to_owned();
    // Rented servers often refuse CONFIG: then it is their provider's to see to.
    let Ok(setting) = link.send::<Vec<String>>(&asked).await else { return };
    let has_replicas = info(link, "replication")
        .await
        .is_ok_and(|info| fields(&info, "connected_slaves").any(|count| count != "0"));
    if has_replicas && setting.get(1).is_some_and(|least| least == "0") {
        tracing::warn!(
            redis = %link.address(),
            "it has replicas and accepts writes without them: after a network split two masters may lease the same \
             hosts; set `min-replicas-to-write 1` and a `min-replicas-max-lag` below the lease"
        );
    }
}

/// Leases that are evicted would be handed out twice.
fn eviction(memory: &str) -> Option<String> {
    let limits = fields(memory, "maxmemory").zip(fields(memory, "maxmemory_policy"));
    let mut evicting = limits.filter(|(limit, policy)| *limit != "0" && *policy != "noeviction");
    evicting.next().map(|(_, policy)| {
        format!(
            "its maxmemory-policy is {policy}: it would drop leases and delays when its memory is full; set \
             `maxmemory-policy noeviction`"
        )
    })
}

pub(super) fn fields<'a>(info: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    info.lines().filter_map(move |line| line.trim().strip_prefix(name)?.strip_prefix(':'))
}

/// A section of INFO, of all servers where there are several.
pub(super) async fn info(link: &Link, section: &str) -> Result<String, ScheduleError> {
    let answer: Value = link.send(redis::cmd("INFO").arg(section)).await?;
    let mut text = String::new();
    gather(&answer, &mut text);
    Ok(text)
}

fn gather(value: &Value, text: &mut String) {
    match value {
        Value::BulkString(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Value::SimpleString(line) => text.push_str(line),
        Value::VerbatimString { text: lines, .. } => text.push_str(lines),
        Value::Array(values) => values.iter().for_each(|value| gather(value, text)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| gather(value, text)),
        _ => (),
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_evicts_is_refused() {
        let info = |limit: &str, policy: &str| {
            format!("# Memory\r\nused_memory:1\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(eviction(&info("0", "allkeys-lru")), None, "without a limit nothing is evicted");
        assert_eq!(eviction(&info("1000", "noeviction")), None);
        let problem = eviction(&info("1000", "volatile-ttl")).unwrap();
        assert!(problem.contains("volatile-ttl") && problem.contains("noeviction"), "{problem}");
        let cluster = info("0", "noeviction") + &info("9", "allkeys-random");
        assert!(eviction(&cluster).is_some(), "one of several is enough");
    }
}
