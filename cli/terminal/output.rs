//! How results are printed: tables for people, JSON, YAML and CSV for programs.
//!
//! A row is a JSON object; a command names the columns that a table shows of it. Text that came
//! from the network never reaches a terminal with its control characters.

use std::io::{IsTerminal, StdoutLock, Write};
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use model::{Timestamp, rfc3339};
use serde::Serialize;
use serde_json::Value;

/// Rows of a table measured together; a longer list goes on with new widths.
const CHUNK: usize = 500;
/// A column no wider than this (a name, a time) is shown whole where that is possible: what is cut to
/// its day says nothing.
const NARROW: usize = 22;
/// Between columns.
const GAP: u16 = 2;
/// How often something watched is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Columns that fit the terminal.
    #[default]
    Table,
    /// More columns, nothing cut.
    Wide,
    /// One JSON document.
    Json,
    /// A JSON object a line.
    Jsonl,
    /// YAML documents.
    Yaml,
    /// Comma-separated values with a header.
    Csv,
    /// Names only.
    Name,
}

/// A column of a table: its heading, and the key of the row that it shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    key: &'static str,
    wide: bool,
}

/// A column that every table shows.
pub(crate) const fn column(key: &'static str) -> Column {
    Column { key, wide: false }
}

/// A column that only wide tables show.
pub(crate) const fn wide(key: &'static str) -> Column {
    Column { key, wide: true }
}

/// Prints rows as they come.
pub(crate) struct Rows<W: Write> {
    format: Format,
    columns: Vec<Column>,
    name: &'static str,
    out: W,
    width: Option<u16>,
    waiting: Vec<Value>,
    printed: usize,
}

/// Rows on stdout. `name` is the key that `-o name` prints.
pub(crate) fn rows(format: Format, columns: &[Column], name: &'static str) -> Rows<StdoutLock<'static>> {
    let stdout = std::io::stdout();
    let width = stdout.is_terminal().then(terminal_width).flatten();
    Rows::new(format, columns, name, stdout.lock(), width)
}

impl<W: Write> Rows<W> {
    pub(crate) fn new(
        format: Format,
        columns: &[Column],
        name: &'static str,
        out: W,
        width: Option<u16>,
    ) -> Self {
        Self { format, columns: columns.to_vec(), name, out, width, waiting: Vec::new(), printed: 0 }
    }

    /// Prints a row, or keeps it for the table.
    pub(crate) fn row(&mut self, row: impl Serialize) -> std::io::Result<()> {
        self.row_value(serde_json::to_value(row).map_err(std::io::Error::other)?)
    }

    fn row_value(&mut self, row: Value) -> std::io::Result<()> {
        self.printed += 1;
        match self.format {
            Format::Table | Format::Wide => {
                self.waiting.push(row);
                if self.waiting.len() == CHUNK {
                    self.print_table()?;
                }
                Ok(())
            }
            Format::Json => {
                let before = if self.printed == 1 { "[\n" } else { ",\n" };
                write!(self.out, "{before}{}", json_text(&row))
            }
            Format::Jsonl => writeln!(self.out, "{}", json_text(&row)),
            Format::Yaml => {
                let before = if self.printed == 1 { "" } else { "---\n" };
                write!(self.out, "{before}{}", config::yaml::print(&cleaned(&row)))
            }
            Format::Csv => self.print_csv(&row),
            Format::Name => writeln!(self.out, "{}", cell(row.get(self.name))),
        }
    }

    /// Sends on what was printed so far: for rows that come now and then.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        if !self.waiting.is_empty() {
            self.print_table()?;
        }
        self.out.flush()
    }

    /// Ends the list. `empty` is what a person is told when there was nothing.
    pub(crate) fn finish(mut self, empty: &str) -> std::io::Result<()> {
        match self.format {
            Format::Table | Format::Wide if self.printed == 0 => crate::terminal::failure::say(empty),
            Format::Table | Format::Wide => self.print_table()?,
            Format::Csv if self.printed == 0 => {
                let keys: Vec<&str> = self.columns.iter().map(|column| column.key).collect();
                self.out.write_all(&csv_line(&keys)?)?;
            }
            Format::Json if self.printed == 0 => writeln!(self.out, "[]")?,
            Format::Json => writeln!(self.out, "\n]")?,
            _ => (),
        }
        self.out.flush()
    }

    fn print_table(&mut self) -> std::io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let shown: Vec<Column> = self
            .columns
            .iter()
            .filter(|column| !column.wide || self.format == Format::Wide)
            .copied()
            .collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        table.set_header(shown.iter().map(|column| column.key.replace('_', " ").to_uppercase()));
        match self.width.filter(|_| self.format == Format::Table) {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        for row in &rows {
            let mut line = comfy_table::Row::from(
                shown.iter().map(|column| cell(row.get(column.key))).collect::<Vec<_>>(),
            );
            if self.width.is_some() && self.format == Format::Table {
                line.max_height(1);
            }
            table.add_row(line);
        }
        let widths = table.column_max_content_widths();
        let narrow = |width: &u16| usize::from(*width) <= NARROW;
        let needed: usize =
            widths.iter().filter(|width| narrow(width)).map(|width| usize::from(width + GAP)).sum();
        let fits = self.width.is_some_and(|width| needed < usize::from(width));
        for (column, width) in table.column_iter_mut().zip(&widths) {
            column.set_padding((0, GAP));
            if fits && narrow(width) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn print_csv(&mut self, row: &Value) -> std::io::Result<()> {
        let Some(object) = row.as_object() else { return Ok(()) };
        if self.printed == 1 {
            self.out.write_all(&csv_line(object.keys())?)?;
        }
        self.out.write_all(&csv_line(object.values().map(csv_field))?)
    }
}

fn csv_line<T: AsRef<[u8]>>(fields: impl IntoIterator<Item = T>) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(fields).map_err(std::io::Error::other)?;
    writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// Returns a time as it is printed; `None` is null.
pub(crate) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(rfc3339(at)))
}

/// Prints one object, for people as lines of keys and values.
pub(crate) fn object(
    out: &mut impl Write,
    format: Format,
    value: &impl Serialize,
    name: &str,
) -> std::io::Result<()> {
    object_value(out, format, &serde_json::to_value(value).map_err(std::io::Error::other)?, name)
}

fn object_value(out: &mut impl Write, format: Format, value: &Value, name: &str) -> std::io::Result<()> {
    match format {
        Format::Json => writeln!(out, "{}", json_pretty(value)),
        Format::Jsonl => writeln!(out, "{}", json_text(value)),
        Format::Yaml => write!(out, "{}", config::yaml::print(&cleaned(value))),
        Format::Name => writeln!(out, "{}", cell(value.get(name))),
        Format::Csv => {
            let mut rows = Rows::new(Format::Csv, &[], "", out, None);
            rows.row(value.clone())?;
            rows.finish("")
        }
        Format::Table | Format::Wide => lines(out, value),
    }
}

fn lines(out: &mut impl Write, value: &Value) -> std::io::Result<()> {
    let object = value.as_object();
    let longest = object.map_or(0, |object| object.keys().map(String::len).max().unwrap_or(0));
    for (key, value) in object.into_iter().flatten() {
        let label = key.replace('_', " ");
        match value {
            Value::Array(list) if list.iter().any(|entry| !is_small(entry)) => {
                writeln!(out, "{label}:")?;
                for entry in list {
                    writeln!(out, "  - {}", cell(Some(entry)))?;
                }
            }
            Value::String(text) if text.contains('\n') => {
                writeln!(out, "{label}:")?;
                for line in text.lines() {
                    writeln!(out, "  {}", clean(line))?;
                }
            }
            value => writeln!(out, "{label:<longest$}  {}", cell(Some(value)))?,
        }
    }
    Ok(())
}

/// Prints what `print` prepares, once; with `watch`, again whenever it has changed. `print` is told the
/// width of the terminal, where there is one.
pub(crate) async fn show(
    watch: bool,
    print: impl AsyncFn(&mut Vec<u8>, Option<u16>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut before = None;
    loop {
        let mut text = Vec::new();
        print(&mut text, is_terminal.then(terminal_width).flatten()).await?;
        if before.as_ref() != Some(&text) {
            let mut out = std::io::stdout().lock();
            if watch && is_terminal {
                // Clear the screen and begin at its top (ECMA-48: ED, CUP).
                out.write_all(b"\x1b[2J\x1b[H")?;
            }
            out.write_all(&text)?;
            out.flush()?;
        }
        if !watch {
            return Ok(());
        }
        before = Some(text);
        tokio::time::sleep(LOOK).await;
    }
}

fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() < 24,
        Value::Object(_) | Value::Array(_) => false,
        _ => true,
    }
}

/// One line of JSON. Control characters that JSON lets stand are escaped: a terminal obeys them.
pub(crate) fn json_text(value: &Value) -> String {
    escape_controls(value.to_string())
}

fn json_pretty(value: &Value) -> String {
    // Printing a value that is in memory cannot fail.
    escape_controls(serde_json::to_string_pretty(value).unwrap_or_default())
}

fn escape_controls(json: String) -> String {
    if !json.chars().any(|c| is_obeyed(c) && c != '\n') {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_obeyed(c) && c != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters that a terminal obeys instead of showing: C0, DEL and C1 controls, and those that turn
/// the direction of what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without characters that a terminal obeys.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '\t' || c == '\n' { ' ' } else { c }).filter(|c| !is_obeyed(*c)).collect()
}

fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            Value::String(text.chars().filter(|c| *c == '\n' || *c == '\t' || !is_obeyed(*c)).collect())
        }
        Value::Array(list) => list.iter().map(cleaned).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), cleaned(value))).collect())
        }
        other => other.clone(),
    }
}

/// What a spreadsheet would run is made text (OWASP: CSV injection).
fn formula_free(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// An unknown value is an empty field.
fn csv_field(value: &Value) -> String {
    if value.is_null() { String::new() } else { formula_free(&cell(Some(value))) }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(list)) => list.iter().map(|entry| cell(Some(entry))).collect::<Vec<_>>().join(", "),
        Some(other) => clean(&other.to_string()),
    }
}

/// Columns of the terminal, where there is one.
fn terminal_width() -> Option<u16> {
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: Format, width: Option<u16>, rows: &[Value]) -> String {
        let columns = [column("name"), column("state"), wide("url")];
        let mut out = Vec::new();
        let mut printer = Rows::new(format, &columns, "name", &mut out, width);
        for row in rows {
            printer.row(row.clone()).unwrap();
        }
        printer.finish("nothing").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_same_rows_in_every_form() {
        let rows = [
            json!({"name": "a", "state": null, "url": "https://a.kz/"}),
            json!({"name": "b, c", "state": "live", "url": "https://b.kz/"}),
        ];
        for (format, expected) in [
            (Format::Table, "NAME  STATE\na     -\nb, c  live\n"),
            (Format::Wide, "NAME  STATE  URL\na     -      https://a.kz/\nb, c  live   https://b.kz/\n"),
            (
                Format::Json,
                "[\n{\"name\":\"a\",\"state\":null,\"url\":\"https://a.kz/\"},\n{\"name\":\"b, c\",\"state\":\"live\",\"url\":\"https://b.kz/\"}\n]\n",
            ),
            (
                Format::Jsonl,
                "{\"name\":\"a\",\"state\":null,\"url\":\"https://a.kz/\"}\n{\"name\":\"b, c\",\"state\":\"live\",\"url\":\"https://b.kz/\"}\n",
            ),
            (Format::Csv, "name,state,url\na,,https://a.kz/\n\"b, c\",live,https://b.kz/\n"),
            (Format::Name, "a\nb, c\n"),
        ] {
            assert_eq!(printed(format, None, &rows), expected, "{format:?}");
        }
        assert_eq!(printed(Format::Json, None, &[]), "[]\n");
        assert_eq!(printed(Format::Jsonl, None, &[]), "");
        assert_eq!(printed(Format::Csv, None, &[]), "name,state,url\n");
    }

    #[test]
    fn tables_fit_the_terminal() {
        let row = json!({"name": "очень длинное имя ".repeat(20), "state": "live", "url": null});
        let table = printed(Format::Table, Some(80), &[row.clone(), row]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        // What is narrow is shown whole; what is long makes way.
        let row =
            json!({"name": "2026-11-25T13:05:11Z", "state": "очень длинная причина ".repeat(9), "url": null});
        let table = printed(Format::Table, Some(40), &[row]);
        assert!(table.lines().any(|line| line.starts_with("2026-11-25T13:05:11Z  очень")), "{table}");
    }

    #[test]
    fn nothing_fetched_is_obeyed_by_a_terminal() {
        let row =
            json!({"name": "\u{1b}[2J\u{9b}31mred\u{7}\u{202e}x", "state": "a\nb", "url": "=HYPERLINK(1)"});
        for format in [
            Format::Table,
            Format::Wide,
            Format::Json,
            Format::Jsonl,
            Format::Yaml,
            Format::Csv,
            Format::Name,
        ] {
            let text = printed(format, None, std::slice::from_ref(&row));
            assert!(!text.chars().any(|c| is_obeyed(c) && c != '\n'), "{format:?}: {text:?}");
        }
        assert!(printed(Format::Csv, None, &[row]).contains("'=HYPERLINK"));
    }
}
