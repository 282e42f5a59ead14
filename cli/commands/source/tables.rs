//! `qyran source import` and `export`: converts lists of feeds (OPML and CSV) to sources, and sources to such lists.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use config::Object;
use crawler::read::{Outline, kind_of, read_opml, write_opml};
use model::{Name, Source, SourceKind};
use url::Url;

use super::dry_run::undeclared_source;
use crate::backend::Backend;
use crate::commands::export::print_objects;
use crate::documents::read;
use crate::global::Global;
use crate::terminal::failure::Failure;
use crate::terminal::message::{clean_lines, print_message};

/// The maximum number of sources in a file.
const MAX_SOURCES: usize = 100_000;

/// Convert a list of feeds (OPML or CSV) to sources for `qyran apply`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source import feeds.opml > sources.yaml && qyran apply -f sources.yaml
  qyran source import sources.csv      a CSV file
  qyran source import - < feeds.opml

A CSV file has the column url, and optionally name, kind, category, country, languages and rights.

A source is named after its title, or after its host if it has no title. Rows that cannot be read are reported, and the others are printed (exit code 6).")]
pub(super) struct ImportArgs {
    /// File to convert, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

/// Print the declared sources as OPML or CSV
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  qyran source export --format opml > feeds.opml
  qyran source export --format csv > sources.csv

OPML contains only feeds, because other readers support no other kinds. CSV omits sources with pointers. `qyran export` prints all objects completely, as YAML for apply.")]
pub(super) struct ExportArgs {
    /// Format of the list
    #[arg(long, value_enum)]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Opml,
    Csv,
}

/// A row of a list.
#[derive(Debug, Default, PartialEq)]
struct Row {
    /// The position in the file: a line number or a byte offset.
    place: String,
    name: String,
    url: String,
    kind: String,
    category: String,
    country: String,
    languages: String,
    rights: String,
}

pub(super) fn import(args: &ImportArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let bytes = read(&args.file)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let rows = if text.trim_start().starts_with('<') { parse_opml(text)? } else { parse_csv(text)? };
    let (mut sources, mut failed, mut names, mut urls) = (Vec::new(), 0, HashSet::new(), HashSet::new());
    for row in rows {
        match parse_source(&row, &mut names) {
            Ok(source) if urls.insert(source.url.clone()) => sources.push(Object::Source(source)),
            Ok(source) => print_message(&clean_lines(&format!(
                "warning: {}: skipped the duplicate address {}",
                row.place, source.url
            ))),
            Err(failure) => {
                failed += 1;
                print_message(&clean_lines(&format!(
                    "error: {}:{}: {failure}",
                    args.file.display(),
                    row.place
                )));
            }
        }
    }
    print_objects(&sources, "no sources could be read", global)?;
    Ok(match (sources.is_empty(), failed) {
        (false, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(2),
        (false, _) => ExitCode::from(6),
    })
}

/// Converts a row to a source with a unique name.
fn parse_source(row: &Row, names: &mut HashSet<Name>) -> Result<Source, Failure> {
    let url = Url::parse(row.url.trim())
        .ok()
        .filter(|url| url.scheme().starts_with("http"))
        .ok_or_else(|| Failure::usage(format!("{:?} is not an http or https address", row.url)))?;
    let kind = match row.kind.trim().to_lowercase().as_str() {
        "" | "rss" | "atom" => kind_of(&url).unwrap_or(SourceKind::Feed),
        kind => {
            SourceKind::parse(kind).ok_or_else(|| Failure::usage(format!("unknown source kind {kind:?}")))?
        }
    };
    let mut spec = serde_json::json!({"kind": kind.as_str(), "url": url.as_str()});
    for (key, value) in [("category", &row.category), ("country", &row.country), ("rights", &row.rights)] {
        if !value.trim().is_empty() {
            spec[key] = serde_json::json!(value.trim().to_lowercase());
        }
    }
    let languages = row.languages.split([',', ';', ' ']).map(str::trim).filter(|code| !code.is_empty());
    let languages: Vec<String> = languages.map(str::to_lowercase).collect();
    if !languages.is_empty() {
        spec["languages"] = serde_json::json!(languages);
    }
    let name = unique_name(row, &url, names)?;
    let object = serde_json::json!({
        "apiVersion": "qyran.dev/v1alpha1", "kind": "Source", "metadata": {"name": name}, "spec": spec,
    });
    // Apply the checks of declared files.
    let loaded = config::objects::parse(
        std::path::Path::new(&row.place),
        &object.to_string(),
        config::objects::SpecChecks {
            address: &service::check_address,
            ..config::objects::SpecChecks::LENIENT
        },
    );
    if let Some(problem) = loaded.problems.first() {
        let remedy = if problem.remedy.is_empty() { String::new() } else { format!(" ({})", problem.remedy) };
        return Err(Failure::usage(format!("{}{remedy}", problem.message)));
    }
    match loaded.objects.into_iter().next().map(|declared| declared.object) {
        Some(Object::Source(source)) => Ok(source),
        _ => undeclared_source(url, kind).map_err(|error| Failure::failed(error.to_string())),
    }
}

/// Returns an unused name derived from the title of a row, or from its host.
fn unique_name(row: &Row, url: &Url, names: &mut HashSet<Name>) -> Result<Name, Failure> {
    let host = url.host_str().unwrap_or("source").trim_start_matches("www.").to_owned();
    let title = if row.name.trim().is_empty() { host.clone() } else { row.name.to_lowercase() };
    let base = Name::near(&title).or_else(|_| Name::near(&host));
    let base =
        base.map_err(|error| Failure::usage(format!("cannot derive a name from {title:?}: {error}")))?;
    let mut name = base.clone();
    for number in 2.. {
        if names.insert(name.clone()) {
            break;
        }
        let number = number.to_string();
        let short: String = base.as_str().chars().take(127 - number.len()).collect();
        name = Name::near(&format!("{short}-{number}")).map_err(|error| Failure::usage(error.to_string()))?;
    }
    Ok(name)
}

fn parse_opml(text: &str) -> Result<Vec<Row>, Failure> {
    let row = |outline: Outline| Row {
        place: format!("byte {}", outline.at),
        name: outline.title,
        url: outline.url,
        languages: outline.language,
        ..Row::default()
    };
    let outlines = read_opml(text, MAX_SOURCES).map_err(|error| {
        Failure::usage(error).hint("OPML begins with <opml version=\"2.0\">, CSV with a header")
    })?;
    Ok(outlines.into_iter().map(row).collect())
}

fn parse_csv(text: &str) -> Result<Vec<Row>, Failure> {
    let header = text.lines().next().unwrap_or("");
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    let separator = [b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',');
    let mut table =
        csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let names = table.headers().map_err(|error| Failure::usage(error.to_string()))?.clone();
    let column = |name: &str| names.iter().position(|header| header.trim().eq_ignore_ascii_case(name));
    let Some(url) = column("url") else {
        return Err(Failure::usage("the table has no column url").hint("name the columns in the first line"));
    };
    let mut rows = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| Failure::usage(error.to_string()))?;
        let cell = |name: &str| column(name).and_then(|at| record.get(at)).unwrap_or("").to_owned();
        rows.push(Row {
            place: record.position().map_or_else(String::new, |at| at.line().to_string()),
            url: record.get(url).unwrap_or("").to_owned(),
            name: cell("name"),
            kind: cell("kind"),
            category: cell("category"),
            country: cell("country"),
            languages: cell("languages"),
            rights: cell("rights"),
        });
        if rows.len() > MAX_SOURCES {
            return Err(
                Failure::usage(format!("more than {MAX_SOURCES} sources in one file")).hint("split the file")
            );
        }
    }
    Ok(rows)
}

pub(super) async fn export(args: &ExportArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let data = Backend::open_read_only(global).await?;
    let sources: Vec<Source> = data
        .store
        .sources()
        .await?
        .into_iter()
        .map(|record| record.source)
        .filter(|source| !source.retired)
        .collect();
    let list = match args.format {
        Form::Opml => format_opml(&sources)?,
        Form::Csv => format_csv(&sources)?,
    };
    std::io::stdout().lock().write_all(&list)?;
    Ok(ExitCode::SUCCESS)
}

fn format_opml(sources: &[Source]) -> anyhow::Result<Vec<u8>> {
    let feeds = sources.iter().filter(|source| source.kind == SourceKind::Feed && !source.is_searched());
    Ok(write_opml(feeds.map(|source| (source.name.as_str(), source.url.as_str())))?)
}

fn format_csv(sources: &[Source]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["name", "kind", "url", "category", "country", "languages", "rights"])?;
    // A cell cannot hold JSON pointers.
    for source in sources.iter().filter(|source| source.pointers.is_empty()) {
        let rights = serde_json::to_value(source.rights)?;
        table.write_record([
            source.name.as_str(),
            source.kind.as_str(),
            source.url.as_str(),
            source.category.as_str(),
            source.country.as_deref().unwrap_or(""),
            &source.languages.join(" "),
            rights.as_str().unwrap_or(""),
        ])?;
    }
    Ok(table.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_sources_with_unique_names() {
        let rows = parse_csv("url;name;kind;languages;country\nhttps://t.me/qala;Қала;;kk,ru;kz\nhttps://a.kz/rss;Қала;feed;;\nftp://a.kz;;;;\nhttps://a.kz/x;;wiki;;\nhttps://a.kz/y;;;xx;\n").unwrap();
        let mut names = HashSet::new();
        let results: Vec<Result<Source, Failure>> =
            rows.iter().map(|row| parse_source(row, &mut names)).collect();
        let [Ok(first), Ok(second), Err(scheme), Err(kind), Err(language)] = results.as_slice() else {
            panic!("{results:?}")
        };
        assert_eq!(
            (first.kind, first.name.as_str(), first.languages.len()),
            (SourceKind::Telegram, "қала", 2)
        );
        assert_eq!(second.name.as_str(), "қала-2");
        assert!(
            scheme.to_string().contains("not an http or https address")
                && kind.to_string().contains("unknown source kind")
        );
        assert!(language.to_string().contains("is not a language code"), "{language}");
    }

    #[test]
    fn exported_lists_can_be_imported() {
        let rows = parse_csv("url,name,category\nhttps://a.kz/rss?x=1&y=2,a,blog\n").unwrap();
        let sources: Vec<Source> =
            rows.iter().map(|row| parse_source(row, &mut HashSet::new()).unwrap()).collect();
        let opml = parse_opml(std::str::from_utf8(&format_opml(&sources).unwrap()).unwrap()).unwrap();
        assert_eq!(opml[0].url, "https://a.kz/rss?x=1&y=2");
        let table = parse_csv(std::str::from_utf8(&format_csv(&sources).unwrap()).unwrap()).unwrap();
        assert_eq!(parse_source(&table[0], &mut HashSet::new()).unwrap(), sources[0]);
    }
}
