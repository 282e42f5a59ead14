//! The output of results: tables for reading, JSON, YAML and CSV for programs.
//!
//! A row is a JSON object; a command names the keys that a table shows as columns. Control characters of text from the
//! network never reach the terminal.

use std::io::{IsTerminal, StdoutLock, Write};
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use model::{Timestamp, rfc3339};
use serde::Serialize;
use serde_json::Value;

use crate::terminal::message::{clean, is_terminal_control, print_message};

/// Number of table rows that share their column widths. A longer list continues with new widths.
const ROWS_PER_LAYOUT: usize = 500;
/// Upper bound on the width of a column that is shown uncut if possible, such as a name or a time: a time that is cut to
/// its date is useless.
const NARROW_COLUMN: usize = 22;
/// Blanks between columns.
const COLUMN_GAP: u16 = 2;
/// Refresh interval of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// The output format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Columns that fit the terminal.
    #[default]
    Table,
    /// All columns, uncut.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
    /// YAML documents.
    Yaml,
    /// Comma-separated values with a header.
    Csv,
    /// Names only.
    Name,
}

/// A table column: the key of the row's value, which is also the heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    key: &'static str,
    is_wide: bool,
}

/// Returns a column that every table shows.
pub(crate) const fn column(key: &'static str) -> Column {
    Column { key, is_wide: false }
}

/// Returns a column that only wide tables show.
pub(crate) const fn wide(key: &'static str) -> Column {
    Column { key, is_wide: true }
}

/// A printer of rows. Formats other than tables are printed row by row.
pub(crate) struct Rows<W: Write> {
    format: Format,
    columns: Vec<Column>,
    name: &'static str,
    out: W,
    width: Option<u16>,
    pending: Vec<Value>,
    count: usize,
}

/// Returns a printer on stdout. `name` is the key of the value that `-o name` prints.
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
        Self { format, columns: columns.to_vec(), name, out, width, pending: Vec::new(), count: 0 }
    }

    /// Prints a row, or buffers it for the table.
    pub(crate) fn row(&mut self, row: impl Serialize) -> std::io::Result<()> {
        self.row_value(serde_json::to_value(row).map_err(std::io::Error::other)?)
    }

    fn row_value(&mut self, row: Value) -> std::io::Result<()> {
        self.count += 1;
        match self.format {
            Format::Table | Format::Wide => {
                self.pending.push(row);
                if self.pending.len() == ROWS_PER_LAYOUT {
                    self.print_table()?;
                }
                Ok(())
            }
            Format::Json => {
                let separator = if self.count == 1 { "[\n" } else { ",\n" };
                write!(self.out, "{separator}{}", json_text(&row))
            }
            Format::Jsonl => writeln!(self.out, "{}", json_text(&row)),
            Format::Yaml => {
                let separator = if self.count == 1 { "" } else { "---\n" };
                write!(self.out, "{separator}{}", config::yaml::print(&clean_value(&row)))
            }
            Format::Csv => self.print_csv(&row),
            Format::Name => writeln!(self.out, "{}", cell(row.get(self.name))),
        }
    }

    /// Prints the buffered rows and flushes the output: for rows that arrive over time.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        if !self.pending.is_empty() {
            self.print_table()?;
        }
        self.out.flush()
    }

    /// Ends the output. If there were no rows, a table prints the message `empty` to stderr.
    pub(crate) fn finish(mut self, empty: &str) -> std::io::Result<()> {
        match self.format {
            Format::Table | Format::Wide if self.count == 0 => print_message(empty),
            Format::Table | Format::Wide => self.print_table()?,
            Format::Csv if self.count == 0 => {
                let keys: Vec<&str> = self.columns.iter().map(|column| column.key).collect();
                self.out.write_all(&csv_line(&keys)?)?;
            }
            Format::Json if self.count == 0 => writeln!(self.out, "[]")?,
            Format::Json => writeln!(self.out, "\n]")?,
            _ => (),
        }
        self.out.flush()
    }

    fn print_table(&mut self) -> std::io::Result<()> {
        let rows = std::mem::take(&mut self.pending);
        if rows.is_empty() {
            return Ok(());
        }
        let columns: Vec<Column> = self
            .columns
            .iter()
            .filter(|column| !column.is_wide || self.format == Format::Wide)
            .copied()
            .collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        table.set_header(columns.iter().map(|column| column.key.replace('_', " ").to_uppercase()));
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
                columns.iter().map(|column| cell(row.get(column.key))).collect::<Vec<_>>(),
            );
            if self.width.is_some() && self.format == Format::Table {
                line.max_height(1);
            }
            table.add_row(line);
        }
        let widths = table.column_max_content_widths();
        let narrow = |width: &u16| usize::from(*width) <= NARROW_COLUMN;
        let needed: usize =
            widths.iter().filter(|width| narrow(width)).map(|width| usize::from(width + COLUMN_GAP)).sum();
        let fits = self.width.is_some_and(|width| needed < usize::from(width));
        for (column, width) in table.column_iter_mut().zip(&widths) {
            column.set_padding((0, COLUMN_GAP));
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
        if self.count == 1 {
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

/// Returns a time as RFC 3339 text; `None` is null.
pub(crate) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(rfc3339(at)))
}

/// Prints one object; a table format prints its fields as lines of key and value.
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
        Format::Yaml => write!(out, "{}", config::yaml::print(&clean_value(value))),
        Format::Name => writeln!(out, "{}", cell(value.get(name))),
        Format::Csv => {
            let mut rows = Rows::new(Format::Csv, &[], "", out, None);
            rows.row(value.clone())?;
            rows.finish("")
        }
        Format::Table | Format::Wide => print_fields(out, value),
    }
}

fn print_fields(out: &mut impl Write, value: &Value) -> std::io::Result<()> {
    let object = value.as_object();
    let longest = object.map_or(0, |object| object.keys().map(String::len).max().unwrap_or(0));
    for (key, value) in object.into_iter().flatten() {
        let label = key.replace('_', " ");
        match value {
            Value::Array(list) if list.iter().any(|entry| !is_short(entry)) => {
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

/// Prints the output that `print` produces. With `watch`, repeats this until interrupted and prints only changes. `print`
/// gets the width of the terminal if stdout is one.
pub(crate) async fn show(
    watch: bool,
    print: impl AsyncFn(&mut Vec<u8>, Option<u16>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut previous = None;
    loop {
        let mut text = Vec::new();
        print(&mut text, is_terminal.then(terminal_width).flatten()).await?;
        if previous.as_ref() != Some(&text) {
            let mut out = std::io::stdout().lock();
            if watch && is_terminal {
                // Clear the screen and move the cursor to the top left (ECMA-48: ED, CUP).
                out.write_all(b"\x1b[2J\x1b[H")?;
            }
            out.write_all(&text)?;
            out.flush()?;
        }
        if !watch {
            return Ok(());
        }
        previous = Some(text);
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

/// Returns true if a value of a list is short enough to share a line with others.
fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() < 24,
        Value::Object(_) | Value::Array(_) => false,
        _ => true,
    }
}

/// Returns a value as one line of JSON. Escapes the control characters that JSON allows: a terminal interprets them.
pub(crate) fn json_text(value: &Value) -> String {
    escape_controls(value.to_string())
}

fn json_pretty(value: &Value) -> String {
    // Serializing a value in memory cannot fail.
    escape_controls(serde_json::to_string_pretty(value).unwrap_or_default())
}

fn escape_controls(json: String) -> String {
    if !json.chars().any(|c| is_terminal_control(c) && c != '\n') {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_terminal_control(c) && c != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Removes control characters from all texts of a value, except tabs and line breaks.
fn clean_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(
            text.chars().filter(|c| *c == '\n' || *c == '\t' || !is_terminal_control(*c)).collect(),
        ),
        Value::Array(list) => list.iter().map(clean_value).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), clean_value(value))).collect())
        }
        other => other.clone(),
    }
}

/// Prefixes a text that a spreadsheet would evaluate with a quote (OWASP: CSV injection).
fn escape_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Returns a value as a CSV field; null is an empty field.
fn csv_field(value: &Value) -> String {
    if value.is_null() { String::new() } else { escape_formula(&cell(Some(value))) }
}

/// Returns a value as one line of text.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(list)) => list.iter().map(|entry| cell(Some(entry))).collect::<Vec<_>>().join(", "),
        Some(other) => clean(&other.to_string()),
    }
}

/// Returns the number of columns of the terminal, if it has more than 20.
fn terminal_width() -> Option<u16> {
    ratatui::crossterm::terminal::size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn print_rows(format: Format, width: Option<u16>, rows: &[Value]) -> String {
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
    fn rows_are_printed_in_every_format() {
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
            assert_eq!(print_rows(format, None, &rows), expected, "{format:?}");
        }
        assert_eq!(print_rows(Format::Json, None, &[]), "[]\n");
        assert_eq!(print_rows(Format::Jsonl, None, &[]), "");
        assert_eq!(print_rows(Format::Csv, None, &[]), "name,state,url\n");
    }

    #[test]
    fn tables_fit_the_terminal() {
        let row = json!({"name": "очень длинное имя ".repeat(20), "state": "live", "url": null});
        let table = print_rows(Format::Table, Some(80), &[row.clone(), row]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        // Narrow columns are shown uncut; wide columns shrink.
        let row =
            json!({"name": "2026-11-25T13:05:11Z", "state": "очень длинная причина ".repeat(9), "url": null});
        let table = print_rows(Format::Table, Some(40), &[row]);
        assert!(table.lines().any(|line| line.starts_with("2026-11-25T13:05:11Z  очень")), "{table}");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
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
            let text = print_rows(format, None, std::slice::from_ref(&row));
            assert!(!text.chars().any(|c| is_terminal_control(c) && c != '\n'), "{format:?}: {text:?}");
        }
        assert!(print_rows(Format::Csv, None, &[row]).contains("'=HYPERLINK"));
    }
}
