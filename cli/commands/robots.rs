//! `qyran robots`: checks addresses against a robots.txt.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crawler::robots::{Decision, Rules};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::documents::read;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::output::{Format, Rows, column, rows};

/// Check addresses against a robots.txt, and show the deciding rules
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran robots --file robots.txt --agent Qyran https://site.kz/a https://site.kz/private/b
  qyran robots --batch checks.tsv --dir files/    each line: file, agent, url, separated by tabs

This command reads whole files. A crawl reads only the first 500 KiB (RFC 9309 §2.5).")]
pub(crate) struct Args {
    /// Addresses to check
    #[arg(value_name = "URL", requires = "file")]
    urls: Vec<String>,
    /// robots.txt file, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["batch", "cases"])]
    file: Option<PathBuf>,
    /// Product token of the crawler [default: fetch.agent of the settings]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// File of checks, one per line: file, agent, url, separated by tabs
    #[arg(long, value_name = "CHECKS", requires = "dir", conflicts_with_all = ["file", "cases"])]
    batch: Option<PathBuf>,
    /// Folder of the robots.txt files of --batch
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// File of checks as JSON lines: robots_hex, ua, url_hex
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    cases: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut verdicts = Verdicts::new(global.output);
    match (&args.batch, &args.cases, &args.file) {
        (Some(checks), ..) => {
            check_batch(checks, args.dir.as_deref().unwrap_or(Path::new(".")), &mut verdicts)?
        }
        (None, Some(cases), _) => check_cases(cases, &mut verdicts)?,
        (None, None, Some(file)) => {
            let rules = Rules::parse(&read(file)?);
            let agent = args.agent.as_deref().unwrap_or(&global.settings.fetch.agent);
            if args.urls.is_empty() {
                return Err(Failure::usage("no addresses to check")
                    .hint("give one or more after the options")
                    .into());
            }
            for url in &args.urls {
                verdicts.print(url, &rules.decide(agent, url))?;
            }
        }
        (None, None, None) => (),
    }
    verdicts.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the lines of a table. Each robots.txt is parsed once.
fn check_batch(checks: &Path, folder: &Path, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let table = read(checks)?;
    let mut files: HashMap<String, Rules> = HashMap::new();
    let table = String::from_utf8_lossy(&table).into_owned();
    for (index, line) in table.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut columns = line.split('\t');
        let (Some(file), Some(agent), Some(url)) = (columns.next(), columns.next(), columns.next()) else {
            let place = format!("{}:{}", checks.display(), index + 1);
            return Err(Failure::usage(format!("{place}: expected `file⇥agent⇥url`")).into());
        };
        if !files.contains_key(file) {
            files.insert(file.to_owned(), Rules::parse(&read(&folder.join(file))?));
        }
        if let Some(rules) = files.get(file) {
            verdicts.print(url, &rules.decide(agent, url))?;
        }
    }
    Ok(())
}

/// A check in the format of Google's unit tests.
#[derive(Deserialize)]
struct Case {
    robots_hex: String,
    ua: String,
    url_hex: String,
}

/// Checks the cases of a file.
fn check_cases(file: &Path, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let text = read(file)?;
    for (index, line) in
        String::from_utf8_lossy(&text).lines().enumerate().filter(|(_, line)| !line.trim().is_empty())
    {
        let failure =
            |message: String| Failure::usage(format!("{}:{}: {message}", file.display(), index + 1));
        let case: Case = serde_json::from_str(line).map_err(|error| failure(error.to_string()))?;
        let bytes =
            |text: &str| parse_hex(text).ok_or_else(|| failure(format!("{text:?} is not hexadecimal")));
        let url = String::from_utf8_lossy(&bytes(&case.url_hex)?).into_owned();
        verdicts.print(&url, &Rules::parse(&bytes(&case.robots_hex)?).decide(&case.ua, &url))?;
    }
    Ok(())
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// The output: one verdict per line, which begins with `allowed` or `denied`.
struct Verdicts {
    format: Format,
    rows: Rows<std::io::StdoutLock<'static>>,
}

impl Verdicts {
    fn new(format: Format) -> Self {
        let columns = [column("verdict"), column("rule"), column("url")];
        Self {
            format,
            rows: rows(if format == Format::Table { Format::Name } else { format }, &columns, "verdict"),
        }
    }

    fn print(&mut self, url: &str, decision: &Decision) -> std::io::Result<()> {
        let verdict = if decision.allowed { "allowed" } else { "denied" };
        let rule = decision.line.map(|line| format!("{} (line {line})", decision.rule));
        let row: Value = match self.format {
            Format::Table => {
                json!({"verdict": format!("{verdict}  {url}  {}", rule.as_deref().unwrap_or("no rule matches"))})
            }
            _ => json!({"verdict": verdict, "rule": rule, "line": decision.line, "url": url}),
        };
        self.rows.row(row)
    }

    fn finish(self) -> std::io::Result<()> {
        self.rows.finish("")
    }
}
