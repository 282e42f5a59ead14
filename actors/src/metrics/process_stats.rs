//! CPU time and memory of this process, from /proc (proc(5)).

/// Kernel ticks a second in /proc/PID/stat: 100 on every Linux architecture in use (USER_HZ).
const TICKS: f64 = 100.0;

/// Seconds of CPU, user and system, of all threads; `None` without /proc.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name is in brackets and may hold spaces: count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The most memory that was resident at once, bytes.
pub fn peak_memory() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// Memory of another process that is resident now, bytes.
pub fn memory_of(pid: u32) -> Option<u64> {
    kibibytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn kibibytes(file: &str, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}
