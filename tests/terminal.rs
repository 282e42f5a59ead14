//! What a person sees: the demo on a real terminal (tmux), and what a pipe gets instead.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{eventually, finished, qyran, report_skip, text};

/// A terminal of 100 × 30 that runs one command.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// `None`, said aloud, where there is no tmux.
    fn running(command: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("qyran-test-{}-{number}", std::process::id()) };
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
            &format!("{command}; read -r _"),
        ]);
        if started.is_none() {
            report_skip("there is no tmux");
        }
        started.map(|_| terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let mut tmux = std::process::Command::new("tmux");
        tmux.args(["-L", &self.socket]).args(arguments).env("LC_ALL", "C.UTF-8");
        tmux.output().ok().filter(|output| output.status.success()).map(|output| text(&output.stdout))
    }

    fn picture(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_alive_on_a_terminal_and_leaves_it_clean() {
    let folder = tempfile::TempDir::new().unwrap();
    let command = format!(
        "{} --data {} demo --for 6s",
        env!("CARGO_BIN_EXE_qyran"),
        folder.path().join("data").display()
    );
    let Some(terminal) = Terminal::running(&command) else { return };
    let shows = |wanted: &[&str]| {
        let picture = terminal.picture();
        wanted.iter().all(|wanted| picture.contains(wanted))
    };
    let alive = [
        "44 simulated sites",
        "sources by state",
        "live",
        "fetches",
        "materials",
        "national-bank",
        "trouble",
    ];
    eventually("the live view shows what happens", || shows(&alive)).await;
    eventually("it ends by itself", || shows(&["materials stored", " 0 violations"])).await;
    let end = terminal.picture();
    assert!(!end.contains("sources by state"), "the live view was left standing:\n{end}");
    assert!(end.trim_end().ends_with("materials stored"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_twice_leaves_the_terminal_clean() {
    let folder = tempfile::TempDir::new().unwrap();
    let demo = format!("{} --data {}", env!("CARGO_BIN_EXE_qyran"), folder.path().join("data").display());
    let command = format!("{demo} demo --for 10m; echo \"ended with $?\"; stty -a");
    let Some(terminal) = Terminal::running(&command) else { return };
    eventually("the live view shows", || terminal.picture().contains("sources by state")).await;
    terminal.tmux(&["send-keys", "C-c"]);
    terminal.tmux(&["send-keys", "C-c"]);
    // Either may end it; that the second ends a process at once is shown in chaos.rs.
    eventually("it ends", || terminal.picture().contains("ended with ")).await;
    eventually("the terminal is as before", || terminal.picture().contains(" echo ")).await;
    let end = terminal.picture();
    let code = ["ended with 130", "ended with 0"];
    assert!(code.iter().any(|code| end.contains(code)), "{end}");
    assert!(end.contains(" icanon") && !end.contains("-icanon") && !end.contains("-echo "), "{end}");
    assert!(!end.contains("sources by state"), "the live view was left standing:\n{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_plain_lines_in_a_pipe() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut demo = qyran(&["--data"]);
    demo.arg(folder.path().join("data")).args(["demo", "--for", "5s", "--seed", "3"]);
    let output = finished(demo).await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!out.contains('\u{1b}'), "control characters in a pipe");
    assert!(out.contains("44 simulated sites on loopback") && out.contains("\nmaterial  "), "{out}");
    let last = out.lines().last().unwrap();
    let stored: u64 = last.strip_suffix(" materials stored").expect(last).parse().unwrap();
    let shown = out.lines().filter(|line| line.starts_with("material  ")).count();
    assert!(stored > 0 && shown > 0, "{out}");
    assert!(out.contains(" 0 violations"), "{out}");
}
