//! `qyran topic import`: topics of other systems, as files that `apply` takes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::Object;
use matcher::Query;
use model::{Name, Topic};

use super::bad_query;
use crate::commands::export::print_objects;
use crate::documents::read;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::{clean_lines, print_message};

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
separated by commas, semicolons or lines. A query that cannot be read is told, and the others are printed (exit code 6).
Files called .csv or .tsv are tables, and whatever begins with such a header.")]
pub(super) struct Args {
    /// A query, or a table of many; - for standard input
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
            Self::Lists => return from_word_lists(split(text, &['\n', '\r']), Vec::new()),
        };
        Query::import(text, dialect).map_err(|error| bad_query(text, &error))
    }
}

fn split(text: &str, between: &[char]) -> Vec<String> {
    text.split(between).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What a minus word may begin with.
const DASHES: [char; 3] = ['-', '–', '—'];

/// Words that begin with a dash are minus words wherever they stand.
fn from_word_lists(words: Vec<String>, mut minus: Vec<String>) -> Result<Query, Failure> {
    let (more, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with(DASHES));
    minus.extend(more);
    let minus: Vec<String> = minus.iter().map(|word| word.trim_start_matches(DASHES).to_owned()).collect();
    if words.is_empty() {
        return Err(Failure::usage("there is no word to look for").hint("minus words alone match nothing"));
    }
    Query::from_word_lists(&words, &minus).map_err(|(index, error)| {
        let entry = index.and_then(|index| words.iter().chain(&minus).nth(index));
        let entry = entry.map_or_else(|| "the list".to_owned(), |entry| format!("{entry:?}"));
        Failure::usage(format!("{entry}: {}: {}", error.code, error.message)).hint(error.remedy)
    })
}

/// A topic as it came, and what became of it.
struct Imported {
    line: u64,
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
    if !is_table(text, args) {
        let query = args.dialect.read(text.trim())?;
        print_objects(&[Object::Topic(topic(&name_of(args)?, &query)?)], "", global)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.name.is_some() {
        return Err(Failure::usage("a table names its topics itself; leave --name out").into());
    }
    let (mut topics, mut failed, mut names) = (Vec::new(), 0, HashSet::new());
    for Imported { line, name, query } in table(text, args)? {
        let imported = query.and_then(|query| topic(&name, &query)).and_then(|topic| {
            match names.insert(topic.name.clone()) {
                true => Ok(topic),
                false => Err(Failure::usage(format!("another topic is called {} too", topic.name))),
            }
        });
        match imported {
            Ok(topic) => topics.push(Object::Topic(topic)),
            Err(failure) => {
                failed += 1;
                let place = format!("{}:{line}: {name}", args.file.display());
                print_message(&clean_lines(&format!("error: {place}: {failure}")));
            }
        }
    }
    print_objects(&topics, "no topic could be read", global)?;
    Ok(match (topics.is_empty(), failed) {
        (_, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(2),
        (false, _) => ExitCode::from(6),
    })
}

fn topic(name: &str, query: &Query) -> Result<Topic, Failure> {
    for warning in query.warnings() {
        print_message(&clean_lines(&format!("warning: {name}: {}: {}", warning.code, warning.message)));
    }
    let named = Name::near(name)
        .map_err(|error| Failure::usage(format!("{name:?} is no name for a topic: {error}")))?;
    Ok(Topic::new(named, query.to_string()))
}

fn name_of(args: &Args) -> Result<String, Failure> {
    let stem = args.file.file_stem().filter(|stem| *stem != "-");
    let name = args.name.clone().or(stem.map(|stem| stem.to_string_lossy().into_owned()));
    name.ok_or_else(|| Failure::usage("a topic needs a name").hint("give it with --name"))
}

/// What the columns of a table are called.
fn columns(dialect: Dialect) -> (&'static [&'static str], Option<&'static str>) {
    match dialect {
        Dialect::Lists => (&["name", "words"], Some("minus_words")),
        _ => (&["name", "query"], None),
    }
}

/// A column's name as it is compared: `Minus words` is minus_words.
fn column_name(written: &str) -> String {
    written.trim().trim_matches('"').to_lowercase().replace([' ', '-'], "_")
}

/// The sign that stands most often in the header.
fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or("");
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    [b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Files that are called so are tables, and what begins with the header of one.
fn is_table(text: &str, args: &Args) -> bool {
    let is_called =
        |name: &str| args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name));
    let header = text.lines().next().unwrap_or("");
    let names: Vec<String> = header.split(char::from(separator(text))).map(column_name).collect();
    let has_all = columns(args.dialect).0.iter().all(|wanted| names.iter().any(|name| name == wanted));
    is_called("csv") || is_called("tsv") || has_all
}

/// The rows of a table with a header.
fn table(text: &str, args: &Args) -> anyhow::Result<Vec<Imported>> {
    let (wanted, optional) = columns(args.dialect);
    let refused = |line: u64, message: String| {
        let hint = format!(
            "its columns are {}",
            wanted.iter().copied().chain(optional).collect::<Vec<_>>().join(", ")
        );
        Failure::usage(format!("{}:{line}: {message}", args.file.display())).hint(hint)
    };
    // A doubled quote stands for one, so quotes come in pairs.
    if text.matches('"').count() % 2 == 1 {
        return Err(refused(1, "a quote is opened and not closed".to_owned()).into());
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(separator(text)).from_reader(text.as_bytes());
    let header: Vec<String> =
        reader.headers().map_err(|error| refused(1, error.to_string()))?.iter().map(column_name).collect();
    let column = |name: &str| header.iter().position(|column| column == name);
    if let Some(missing) = wanted.iter().find(|name| column(name).is_none()) {
        return Err(refused(1, format!("there is no column {missing:?}")).into());
    }
    for unknown in
        header.iter().filter(|name| !wanted.contains(&name.as_str()) && Some(name.as_str()) != optional)
    {
        print_message(&clean_lines(&format!("warning: the column {unknown:?} is not looked at")));
    }
    let mut imported = Vec::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                let message =
                    "it has more or fewer cells than the header; put cells with separators in quotes";
                let query = Err(Failure::usage(message));
                imported.push(Imported { line, name: "a row".to_owned(), query });
                continue;
            }
        };
        let cell = |name: &str| column(name).and_then(|at| row.get(at)).unwrap_or("").trim();
        let cells = |name| split(cell(name), &[',', ';', '\n', '\r']);
        let query = match args.dialect {
            Dialect::Lists => from_word_lists(cells("words"), cells("minus_words")),
            dialect => dialect.read(cell("query")),
        };
        let line = row.position().map_or(1, csv::Position::line);
        imported.push(Imported { line, name: cell("name").to_owned(), query });
        if imported.len() > MOST {
            return Err(refused(line, format!("there are more than {MOST} topics")).into());
        }
    }
    Ok(imported)
}
