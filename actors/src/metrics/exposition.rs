//! From the OpenMetrics text format to that of Prometheus.

/// The same in Prometheus' own text format (0.0.4): the names of counters carry their `_total` in the lines that
/// describe them as well, and there are neither units nor an end.
pub(super) fn in_prometheus_format(open: &str) -> String {
    let of_type = |wanted: &'static str| -> Vec<&str> {
        open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(wanted)).collect()
    };
    let (counters, infos) = (of_type(" counter"), of_type(" info"));
    let mut text = String::with_capacity(open.len());
    for line in open.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        text.push_str(&described(line, &counters, &infos));
        text.push('\n');
    }
    text
}

fn described(line: &str, counters: &[&str], infos: &[&str]) -> String {
    let named = |prefix: &str| -> Option<(String, String)> {
        let (name, rest) = line.strip_prefix(prefix)?.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    for prefix in ["# HELP ", "# TYPE "] {
        let Some((name, rest)) = named(prefix) else { continue };
        if counters.contains(&name.as_str()) {
            return format!("{prefix}{name}_total {rest}");
        }
        if infos.contains(&name.as_str()) {
            let rest = if prefix == "# TYPE " { "gauge" } else { &rest };
            return format!("{prefix}{name}_info {rest}");
        }
    }
    line.to_owned()
}
