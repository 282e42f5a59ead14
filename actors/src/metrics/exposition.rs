//! Conversion of the OpenMetrics text format to the Prometheus text format.

/// Converts OpenMetrics text to the Prometheus text format 0.0.4.
///
/// The Prometheus format has neither `# UNIT` lines nor `# EOF`, and its `# HELP` and `# TYPE` lines name a counter
/// with its `_total` suffix.
pub(super) fn to_prometheus_format(open_metrics: &str) -> String {
    let names_of_type = |suffix: &'static str| -> Vec<&str> {
        let type_lines = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        type_lines.filter_map(|line| line.strip_suffix(suffix)).collect()
    };
    let (counters, infos) = (names_of_type(" counter"), names_of_type(" info"));
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        text.push_str(&convert_line(line, &counters, &infos));
        text.push('\n');
    }
    text
}

fn convert_line(line: &str, counters: &[&str], infos: &[&str]) -> String {
    for prefix in ["# HELP ", "# TYPE "] {
        let Some((name, rest)) = line.strip_prefix(prefix).and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        if counters.contains(&name) {
            return format!("{prefix}{name}_total {rest}");
        }
        if infos.contains(&name) {
            let rest = if prefix == "# TYPE " { "gauge" } else { rest };
            return format!("{prefix}{name}_info {rest}");
        }
    }
    line.to_owned()
}
