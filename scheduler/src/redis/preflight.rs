//! Checks of a Redis server before its first use.

use redis::Value;

use super::link::Link;
use crate::schedule::ScheduleError;

/// Rejects a server that would evict keys; warns about one that does not persist its data.
pub(super) async fn check(link: &Link) -> Result<(), ScheduleError> {
    let memory = info(link, "memory").await?;
    if let Some(problem) = eviction_problem(&memory) {
        return Err(ScheduleError::Storage(format!("Redis ({}): {problem}", link.address())));
    }
    warn_of_split_brain(link).await;
    let persistence = info(link, "persistence").await?;
    if fields(&persistence, "aof_enabled").any(|enabled| enabled == "0") {
        tracing::warn!(
            redis = %link.address(),
            "the append-only file is disabled: after a restart of the server every host rests for one delay and the \
             schedule is rebuilt from the store; set `appendonly yes` to avoid this"
        );
    }
    Ok(())
}

/// Warns about a server with replicas that accepts writes without them: an old master that is cut off together with a
/// node would continue to renew its leases.
async fn warn_of_split_brain(link: &Link) {
    let command = redis::cmd("CONFIG").arg("GET").arg("min-replicas-to-write").to_owned();
    // Managed servers often reject CONFIG; their provider is then responsible for this setting.
    let Ok(setting) = link.send::<Vec<String>>(&command).await else { return };
    let has_replicas = info(link, "replication")
        .await
        .is_ok_and(|info| fields(&info, "connected_slaves").any(|count| count != "0"));
    if has_replicas && setting.get(1).is_some_and(|minimum| minimum == "0") {
        tracing::warn!(
            redis = %link.address(),
            "the server has replicas but accepts writes without them: after a network partition two masters may lease \
             the same hosts; set `min-replicas-to-write 1` and a `min-replicas-max-lag` below the lease"
        );
    }
}

/// Returns a message if the server may evict keys: an evicted lease would be issued twice.
fn eviction_problem(memory: &str) -> Option<String> {
    let limits = fields(memory, "maxmemory").zip(fields(memory, "maxmemory_policy"));
    let mut evicting = limits.filter(|(limit, policy)| *limit != "0" && *policy != "noeviction");
    evicting.next().map(|(_, policy)| {
        format!(
            "maxmemory-policy is {policy}, which evicts leases and delays when memory is full; set \
             `maxmemory-policy noeviction`"
        )
    })
}

/// Returns the values of a field of INFO, one per server.
pub(super) fn fields<'a>(info: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    info.lines().filter_map(move |line| line.trim().strip_prefix(name)?.strip_prefix(':'))
}

/// Returns a section of INFO, concatenated over all servers of a cluster.
pub(super) async fn info(link: &Link, section: &str) -> Result<String, ScheduleError> {
    let reply: Value = link.send(redis::cmd("INFO").arg(section)).await?;
    let mut text = String::new();
    append_text(&reply, &mut text);
    Ok(text)
}

fn append_text(value: &Value, text: &mut String) {
    match value {
        Value::BulkString(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Value::SimpleString(line) => text.push_str(line),
        Value::VerbatimString { text: lines, .. } => text.push_str(lines),
        Value::Array(values) => values.iter().for_each(|value| append_text(value, text)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| append_text(value, text)),
        _ => (),
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_evicts_is_rejected() {
        let info = |limit: &str, policy: &str| {
            format!("# Memory\r\nused_memory:1\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(
            eviction_problem(&info("0", "allkeys-lru")),
            None,
            "without a memory limit nothing is evicted"
        );
        assert_eq!(eviction_problem(&info("1000", "noeviction")), None);
        let problem = eviction_problem(&info("1000", "volatile-ttl")).unwrap();
        assert!(problem.contains("volatile-ttl") && problem.contains("noeviction"), "{problem}");
        let cluster = info("0", "noeviction") + &info("9", "allkeys-random");
        assert!(eviction_problem(&cluster).is_some(), "one server of a cluster is enough");
    }
}
