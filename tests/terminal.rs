//! The demo on a real terminal (tmux) and in a pipe.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{eventually, finished, qyran, report_skip, text};

/// A terminal of 100 × 30 cells that runs one command.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts a terminal with a command. Reports a skip and returns `None` if tmux is not installed.
    fn start(command: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("qyran-test-{}-{number}", std::process::id()) };
        let output = terminal.tmux(&[
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
        if output.is_none() {
            report_skip("tmux is not installed");
        }
        output.map(|_| terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let mut tmux = std::process::Command::new("tmux");
        tmux.args(["-L", &self.socket]).args(arguments).env("LC_ALL", "C.UTF-8");
        tmux.output().ok().filter(|output| output.status.success()).map(|output| text(&output.stdout))
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_shows_a_live_view_and_restores_the_terminal() {
    let folder = tempfile::TempDir::new().unwrap();
    let command = format!(
        "{} --data {} demo --for 6s",
        env!("CARGO_BIN_EXE_qyran"),
        folder.path().join("data").display()
    );
    let Some(terminal) = Terminal::start(&command) else { return };
    let shows = |texts: &[&str]| {
        let screen = terminal.screen();
        texts.iter().all(|text| screen.contains(text))
    };
    let labels = [
        "44 simulated sites",
        "sources by state",
        "live",
        "fetches",
        "materials",
        "national-bank",
        "failed fetches",
    ];
    eventually("the live view shows the crawl", || shows(&labels)).await;
    eventually("the demo ends by itself", || shows(&["materials stored", " 0 violations"])).await;
    let last_screen = terminal.screen();
    assert!(!last_screen.contains("sources by state"), "the live view was not removed:\n{last_screen}");
    assert!(last_screen.trim_end().ends_with("materials stored"), "{last_screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ctrl_c_restore_the_terminal() {
    let folder = tempfile::TempDir::new().unwrap();
    let demo = format!("{} --data {}", env!("CARGO_BIN_EXE_qyran"), folder.path().join("data").display());
    let command = format!("{demo} demo --for 10m; echo \"ended with $?\"; stty -a");
    let Some(terminal) = Terminal::start(&command) else { return };
    eventually("the live view is visible", || terminal.screen().contains("sources by state")).await;
    terminal.tmux(&["send-keys", "C-c"]);
    terminal.tmux(&["send-keys", "C-c"]);
    // Either Ctrl-C may end the demo. A test in chaos.rs shows that the second exits at once.
    eventually("the demo exits", || terminal.screen().contains("ended with ")).await;
    eventually("the terminal echoes input again", || terminal.screen().contains(" echo ")).await;
    let last_screen = terminal.screen();
    let codes = ["ended with 130", "ended with 0"];
    assert!(codes.iter().any(|code| last_screen.contains(code)), "{last_screen}");
    assert!(
        last_screen.contains(" icanon")
            && !last_screen.contains("-icanon")
            && !last_screen.contains("-echo "),
        "{last_screen}"
    );
    assert!(!last_screen.contains("sources by state"), "the live view was not removed:\n{last_screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_prints_plain_lines_to_a_pipe() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut demo = qyran(&["--data"]);
    demo.arg(folder.path().join("data")).args(["demo", "--for", "5s", "--seed", "3"]);
    let output = finished(demo).await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!out.contains('\u{1b}'), "a pipe must not receive control characters");
    assert!(out.contains("44 simulated sites on loopback") && out.contains("\nmaterial  "), "{out}");
    let last_line = out.lines().last().unwrap();
    let stored_count: u64 = last_line.strip_suffix(" materials stored").expect(last_line).parse().unwrap();
    let printed_count = out.lines().filter(|line| line.starts_with("material  ")).count();
    assert!(stored_count > 0 && printed_count > 0, "{out}");
    assert!(out.contains(" 0 violations"), "{out}");
}
