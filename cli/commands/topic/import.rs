//! `qyran topic import`: converts queries of other systems to topics for `qyran apply`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use config::objects::Object;
use matcher::Query;
use model::{Name, Topic};

use super::query_failure;
use crate::commands::export::print_objects;
use crate::documents::read;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::{clean_lines, print_message};

/// The maximum number of topics in a file.
const MAX_TOPICS: usize = 100_000;

/// Convert queries of other systems to topics for `qyran apply`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran topic import --dialect brandwatch query.txt > topics.yaml && qyran apply -f topics.yaml
  qyran topic import --dialect youscan topics.csv        columns: name, query
  echo 'банк ~~ река host:nur.kz' | qyran topic import --dialect yandex --name banks -
  qyran topic import --dialect lists themes.csv          columns: name, words, minus_words
  qyran topic import --dialect lists words.txt           one word, phrase or -minus word per line

Words keep their meaning: those of Brandwatch match literally, those of the other systems match in all forms.

A file is a table if its name ends in .csv or .tsv, or if it begins with the header of a table. Separate the words in a cell by commas, semicolons or line breaks. Queries that cannot be read are reported, and the others are printed (exit code 6).")]
pub(super) struct Args {
    /// File with a query or a table of queries, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// System that the queries come from
    #[arg(long, value_enum)]
    dialect: Dialect,
    /// Name of the topic [default: name of the file]
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
    /// Parses a single query of the dialect.
    fn parse(self, text: &str) -> Result<Query, Failure> {
        let dialect = match self {
            Self::Brandwatch => matcher::Dialect::Brandwatch,
            Self::Youscan => matcher::Dialect::Youscan,
            Self::Yandex => matcher::Dialect::Yandex,
            Self::Lists => return from_word_lists(split(text, &['\n', '\r']), Vec::new()),
        };
        Query::import(text, dialect).map_err(|error| query_failure(text, &error))
    }
}

/// Returns the non-empty parts of a text between separators.
fn split(text: &str, separators: &[char]) -> Vec<String> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The characters that mark a minus word.
const DASHES: [char; 3] = ['-', '–', '—'];

/// Builds a query from lists of words. A word that begins with a dash is a minus word in both lists.
fn from_word_lists(words: Vec<String>, mut minus: Vec<String>) -> Result<Query, Failure> {
    let (more, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with(DASHES));
    minus.extend(more);
    let minus: Vec<String> = minus.iter().map(|word| word.trim_start_matches(DASHES).to_owned()).collect();
    if words.is_empty() {
        return Err(Failure::usage("the list has no words to match").hint("minus words alone match nothing"));
    }
    Query::from_word_lists(&words, &minus).map_err(|(index, error)| {
        let entry = index.and_then(|index| words.iter().chain(&minus).nth(index));
        let entry = entry.map_or_else(|| "the list".to_owned(), |entry| format!("{entry:?}"));
        Failure::usage(format!("{entry}: {}: {}", error.code, error.message)).hint(error.remedy)
    })
}

/// A query of a table, with its line and name.
struct Imported {
    line: u64,
    name: String,
    query: Result<Query, Failure>,
}

pub(super) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let bytes = read(&args.file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Failure::usage(format!("{}: not valid UTF-8 (byte {})", args.file.display(), error.valid_up_to()))
            .hint("save the file as UTF-8")
    })?;
    let text = text.trim_start_matches('\u{feff}');
    if !is_table(text, args) {
        let query = args.dialect.parse(text.trim())?;
        print_objects(&[Object::Topic(build_topic(&topic_name(args)?, &query)?)], "", global)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.name.is_some() {
        return Err(Failure::usage("--name cannot be used with a table, which names its topics").into());
    }
    let (mut topics, mut failed, mut names) = (Vec::new(), 0, HashSet::new());
    for Imported { line, name, query } in parse_table(text, args)? {
        let imported = query.and_then(|query| build_topic(&name, &query)).and_then(|topic| {
            match names.insert(topic.name.clone()) {
                true => Ok(topic),
                false => Err(Failure::usage(format!("another topic is also named {}", topic.name))),
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
    print_objects(&topics, "no topics could be read", global)?;
    Ok(match (topics.is_empty(), failed) {
        (_, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(2),
        (false, _) => ExitCode::from(6),
    })
}

/// Builds a topic and prints the warnings of its query.
fn build_topic(name: &str, query: &Query) -> Result<Topic, Failure> {
    for warning in query.warnings() {
        print_message(&clean_lines(&format!("warning: {name}: {}: {}", warning.code, warning.message)));
    }
    let name = Name::near(name)
        .map_err(|error| Failure::usage(format!("{name:?} is not a valid name of a topic: {error}")))?;
    Ok(Topic::new(name, query.to_string()))
}

/// Returns the name given with `--name`, or the name of the file without its extension.
fn topic_name(args: &Args) -> Result<String, Failure> {
    let stem = args.file.file_stem().filter(|stem| *stem != "-");
    let name = args.name.clone().or(stem.map(|stem| stem.to_string_lossy().into_owned()));
    name.ok_or_else(|| Failure::usage("the topic has no name").hint("set one with --name NAME"))
}

/// Returns the names of the required columns and of the optional column.
fn columns(dialect: Dialect) -> (&'static [&'static str], Option<&'static str>) {
    match dialect {
        Dialect::Lists => (&["name", "words"], Some("minus_words")),
        _ => (&["name", "query"], None),
    }
}

/// Normalizes the name of a column: `Minus words` becomes `minus_words`.
fn column_name(header: &str) -> String {
    header.trim().trim_matches('"').to_lowercase().replace([' ', '-'], "_")
}

/// Returns the separator that is most frequent in the header.
fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or("");
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    [b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Returns true if the file has the extension or the header of a table.
fn is_table(text: &str, args: &Args) -> bool {
    let has_extension =
        |name: &str| args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name));
    let header = text.lines().next().unwrap_or("");
    let names: Vec<String> = header.split(char::from(separator(text))).map(column_name).collect();
    let has_all = columns(args.dialect).0.iter().all(|column| names.iter().any(|name| name == column));
    has_extension("csv") || has_extension("tsv") || has_all
}

/// Parses the rows of a table with a header.
fn parse_table(text: &str, args: &Args) -> anyhow::Result<Vec<Imported>> {
    let (required, optional) = columns(args.dialect);
    let table_failure = |line: u64, message: String| {
        let hint = format!(
            "valid columns: {}",
            required.iter().copied().chain(optional).collect::<Vec<_>>().join(", ")
        );
        Failure::usage(format!("{}:{line}: {message}", args.file.display())).hint(hint)
    };
    // A quote inside a cell is doubled, so a valid table has an even number of quotes.
    if text.matches('"').count() % 2 == 1 {
        return Err(table_failure(1, "a quote is not closed".to_owned()).into());
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(separator(text)).from_reader(text.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .map_err(|error| table_failure(1, error.to_string()))?
        .iter()
        .map(column_name)
        .collect();
    let column = |name: &str| header.iter().position(|column| column == name);
    if let Some(missing) = required.iter().find(|name| column(name).is_none()) {
        return Err(table_failure(1, format!("the column {missing:?} is missing")).into());
    }
    for unknown in
        header.iter().filter(|name| !required.contains(&name.as_str()) && Some(name.as_str()) != optional)
    {
        print_message(&clean_lines(&format!("warning: the column {unknown:?} is ignored")));
    }
    let mut imported = Vec::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                let message = "more or fewer cells than in the header; quote cells that contain separators";
                let query = Err(Failure::usage(message));
                imported.push(Imported { line, name: "row".to_owned(), query });
                continue;
            }
        };
        let cell = |name: &str| column(name).and_then(|at| row.get(at)).unwrap_or("").trim();
        let cells = |name| split(cell(name), &[',', ';', '\n', '\r']);
        let query = match args.dialect {
            Dialect::Lists => from_word_lists(cells("words"), cells("minus_words")),
            dialect => dialect.parse(cell("query")),
        };
        let line = row.position().map_or(1, csv::Position::line);
        imported.push(Imported { line, name: cell("name").to_owned(), query });
        if imported.len() > MAX_TOPICS {
            return Err(table_failure(line, format!("the file has more than {MAX_TOPICS} topics")).into());
        }
    }
    Ok(imported)
}
