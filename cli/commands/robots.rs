//! `qyran robots`: what a robots.txt says about addresses.

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

/// Say what a robots.txt allows, and which rule decided
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran robots --file robots.txt --agent Qyran https://site.kz/a https://site.kz/private/b
  qyran robots --batch checks.tsv --dir files/    file, agent, url a line; a verdict a line

Whole files are read here; a crawl reads the first 500 KiB (RFC 9309 §2.5).")]
pub(crate) struct Args {
    /// Addresses to ask about
    #[arg(value_name = "URL", requires = "file")]
    urls: Vec<String>,
    /// The robots.txt, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["batch", "cases"])]
    file: Option<PathBuf>,
    /// Product token that asks [default: fetch.agent of the settings]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Questions: file, agent, url a line, separated by tabs
    #[arg(long, value_name = "CHECKS", requires = "dir", conflicts_with_all = ["file", "cases"])]
    batch: Option<PathBuf>,
    /// Where the files of the questions are
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Questions as JSON lines: robots_hex, ua, url_hex
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    cases: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let mut answers = Answers::new(global.output);
    match (&args.batch, &args.cases, &args.file) {
        (Some(checks), ..) => batch(checks, args.dir.as_deref().unwrap_or(Path::new(".")), &mut answers)?,
        (None, Some(cases), _) => unit_cases(cases, &mut answers)?,
        (None, None, Some(file)) => {
            let rules = Rules::parse(&read(file)?);
            let agent = args.agent.as_deref().unwrap_or(&global.settings.fetch.agent);
            if args.urls.is_empty() {
                return Err(Failure::usage("no address to ask about")
                    .hint("name one or more after the options")
                    .into());
            }
            for url in &args.urls {
                answers.give(url, &rules.decide(agent, url))?;
            }
        }
        (None, None, None) => (),
    }
    answers.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn batch(checks: &Path, folder: &Path, answers: &mut Answers) -> anyhow::Result<()> {
    let questions = read(checks)?;
    let mut files: HashMap<String, Rules> = HashMap::new();
    let questions = String::from_utf8_lossy(&questions).into_owned();
    for (index, line) in questions.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut columns = line.split('\t');
        let (Some(file), Some(agent), Some(url)) = (columns.next(), columns.next(), columns.next()) else {
            let place = format!("{}:{}", checks.display(), index + 1);
            return Err(Failure::usage(format!("{place}: not `file⇥agent⇥url`")).into());
        };
        if !files.contains_key(file) {
            files.insert(file.to_owned(), Rules::parse(&read(&folder.join(file))?));
        }
        if let Some(rules) = files.get(file) {
            answers.give(url, &rules.decide(agent, url))?;
        }
    }
    Ok(())
}

/// A question as Google's unit cases are written down.
#[derive(Deserialize)]
struct Case {
    robots_hex: String,
    ua: String,
    url_hex: String,
}

fn unit_cases(file: &Path, answers: &mut Answers) -> anyhow::Result<()> {
    let text = read(file)?;
    for (index, line) in
        String::from_utf8_lossy(&text).lines().enumerate().filter(|(_, line)| !line.trim().is_empty())
    {
        let wrong = |what: String| Failure::usage(format!("{}:{}: {what}", file.display(), index + 1));
        let case: Case = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let bytes = |text: &str| unhex(text).ok_or_else(|| wrong(format!("{text:?} is not hexadecimal")));
        let url = String::from_utf8_lossy(&bytes(&case.url_hex)?).into_owned();
        answers.give(&url, &Rules::parse(&bytes(&case.robots_hex)?).decide(&case.ua, &url))?;
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Verdicts, a line each: `allowed` or `denied` comes first, for people and programs alike.
struct Answers {
    format: Format,
    rows: Rows<std::io::StdoutLock<'static>>,
}

impl Answers {
    fn new(format: Format) -> Self {
        let columns = [column("verdict"), column("rule"), column("url")];
        Self {
            format,
            rows: rows(if format == Format::Table { Format::Name } else { format }, &columns, "verdict"),
        }
    }

    fn give(&mut self, url: &str, decision: &Decision) -> std::io::Result<()> {
        let verdict = if decision.allowed { "allowed" } else { "denied" };
        let rule = decision.line.map(|line| format!("{} (line {line})", decision.rule));
        let row: Value = match self.format {
            Format::Table => {
                json!({"verdict": format!("{verdict}  {url}  {}", rule.as_deref().unwrap_or("no rule is about it"))})
            }
            _ => json!({"verdict": verdict, "rule": rule, "line": decision.line, "url": url}),
        };
        self.rows.row(row)
    }

    fn finish(self) -> std::io::Result<()> {
        self.rows.finish("")
    }
}
