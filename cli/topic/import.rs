//! `qyran topic import`: topics of other systems, as files that `apply` takes.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use config::objects::{self, Object};
use matcher::Query;
use model::{Name, Topic};

use super::bad_query;
use crate::documents::read;
use crate::failure::{Failure, cleaned_lines, say};
use crate::global::Global;
use crate::output::{Format, column, rows};

/// Topics of one file, at most.
const MOST: usize = 100_000;

/// Read queries of other systems; prints topics for `qyran apply`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic import --dialect brandwatch query.txt > topics.yaml && qyran apply -f topics.yaml
  qyran topic import --dialect youscan topics.csv        columns: name, query
  echo 'банк ~~ река host:nur.kz' | qyran topic import --dialect yandex --name banks -
  qyran topic import --dialect lists themes.csv          columns: name, words, minus_words
  qyran topic import --dialect lists words.txt           a word or phrase a line; minus words begin with -

What words mean is kept: Brandwatch's stand for themselves, the others' for their forms. Words of a CSV's cell are
separated by commas, semicolons or lines. A query that cannot be read is told, and the others are printed (exit code 6).")]
pub(super) struct Args {
    /// A query, or a CSV file of many; - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// What system it comes from
    #[arg(long, value_enum)]
    dialect: Dialect,
    /// The topic's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Dialect {
    Brandwatch,
    Youscan,
    Yandex,
    /// Lists of words and minus words
    Lists,
}

impl Dialect {
    /// Reads a query that is written in one piece.
    fn read(self, text: &str) -> Result<Query, Failure> {
        let dialect = match self {
            Self::Brandwatch => matcher::Dialect::Brandwatch,
            Self::Youscan => matcher::Dialect::Youscan,
            Self::Yandex => matcher::Dialect::Yandex,
            Self::Lists => {
                let is_minus = |line: &String| line.starts_with('-');
                let (minus, words): (Vec<_>, Vec<_>) = split(text, &['\n']).into_iter().partition(is_minus);
                return of_lists(&words, &minus);
            }
        };
        Query::import(text, dialect).map_err(|error| bad_query(text, &error))
    }
}

fn split(text: &str, between: &[char]) -> Vec<String> {
    text.split(between).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn of_lists(words: &[String], minus: &[String]) -> Result<Query, Failure> {
    Query::of_lists(words, minus).map_err(|(index, error)| {
        let entry = words.iter().chain(minus).nth(index).map_or("", String::as_str);
        Failure::usage(format!("{entry:?}: {}: {}", error.code, error.message)).hint(error.remedy)
    })
}

/// A topic as it came, and what became of it.
struct Imported {
    name: String,
    query: Result<Query, Failure>,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let bytes = read(&args.file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Failure::usage(format!("{}: it is no UTF-8 (byte {})", args.file.display(), error.valid_up_to()))
            .hint("save it as UTF-8")
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let is_csv = args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let imported = match is_csv {
        true => table(text, args)?,
        false => vec![Imported { name: name_of(args)?, query: args.dialect.read(text.trim()) }],
    };
    let (mut topics, mut failures, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for Imported { name, query } in imported {
        match query.and_then(|query| topic(&name, &query)) {
            Ok(topic) if names.insert(topic.name.clone()) => topics.push(Object::Topic(topic)),
            Ok(topic) => {
                failures.push((name, Failure::usage(format!("another topic is called {} too", topic.name))));
            }
            Err(failure) => failures.push((name, failure)),
        }
    }
    match (topics.is_empty(), failures.len()) {
        (true, 1) => return Err(failures.remove(0).1.into()),
        _ => print(&topics, global)?,
    }
    for (name, failure) in &failures {
        say(&cleaned_lines(&format!("error: {name}: {failure}")));
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

fn print(topics: &[Object], global: &Global) -> anyhow::Result<()> {
    if matches!(global.output, Format::Table | Format::Wide | Format::Yaml) {
        return Ok(std::io::stdout().lock().write_all(objects::print(topics).as_bytes())?);
    }
    let mut rows = rows(global.output, &[column("name")], "name");
    for topic in topics {
        rows.row(topic.to_value())?;
    }
    Ok(rows.finish("")?)
}

fn topic(name: &str, query: &Query) -> Result<Topic, Failure> {
    for warning in query.warnings() {
        say(&cleaned_lines(&format!("warning: {name}: {}: {}", warning.code, warning.message)));
    }
    Ok(Topic::new(named(name)?, query.to_string()))
}

fn name_of(args: &Args) -> Result<String, Failure> {
    let stem = args.file.file_stem().filter(|stem| *stem != "-");
    let name = args.name.clone().or(stem.map(|stem| stem.to_string_lossy().into_owned()));
    name.ok_or_else(|| Failure::usage("a topic needs a name").hint("give it with --name"))
}

/// Names of topics have letters, digits, `-`, `_` and `.`; what stands between becomes a hyphen.
fn named(name: &str) -> Result<Name, Failure> {
    let is_kept = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let words: Vec<&str> = name.split(|c| !is_kept(c)).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(128).collect();
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    Name::new(name).map_err(|error| Failure::usage(format!("{name:?} is no name for a topic: {error}")))
}

/// The rows of a CSV file with a header.
fn table(text: &str, args: &Args) -> anyhow::Result<Vec<Imported>> {
    let header = text.lines().next().unwrap_or("");
    let separator = [b';', b'\t', b',']
        .into_iter()
        .max_by_key(|separator| header.bytes().filter(|byte| byte == separator).count());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator.unwrap_or(b','))
        .flexible(true)
        .from_reader(text.as_bytes());
    let wanted: &[&str] =
        if args.dialect == Dialect::Lists { &["name", "words", "minus_words"] } else { &["name", "query"] };
    let header = reader.headers().map_err(|error| unreadable(&args.file, &error))?.clone();
    let column = |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    // Minus words may be missing.
    if let Some(missing) = wanted.iter().take(2).find(|name| column(name).is_none()) {
        let message = format!("{}: line 1: there is no column {missing:?}", args.file.display());
        return Err(Failure::usage(message).hint(format!("its columns are {}", wanted.join(", "))).into());
    }
    let mut imported = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| unreadable(&args.file, &error))?;
        let cell = |name: &str| column(name).and_then(|at| row.get(at)).unwrap_or("").trim();
        let cells = |name| split(cell(name), &[',', ';', '\n']);
        let query = match args.dialect {
            Dialect::Lists => of_lists(&cells("words"), &cells("minus_words")),
            dialect => dialect.read(cell("query")),
        };
        imported.push(Imported { name: cell("name").to_owned(), query });
        if imported.len() > MOST {
            let message = format!("{} has more than {MOST} topics", args.file.display());
            return Err(Failure::usage(message).hint("split it").into());
        }
    }
    Ok(imported)
}

fn unreadable(file: &Path, error: &csv::Error) -> Failure {
    Failure::usage(format!("{}: {error}", file.display())).hint("it should be a table with a header")
}
