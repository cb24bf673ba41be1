//! How commands print: tables for people, JSON and CSV for programs.

use std::io::Write;

use clap::ValueEnum;
use serde_json::{Map, Value};

/// How a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One array of objects.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Rows under named columns.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'a [&'a str],
    rows: Vec<Vec<Value>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a [&'a str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, values: Vec<Value>) {
        self.rows.push(values);
    }

    pub(super) fn print(&self, format: Format, out: &mut impl Write) -> std::io::Result<()> {
        match format {
            Format::Table => self.print_table(out),
            Format::Json => self.print_json(out),
            Format::Csv => self.print_csv(out),
        }
    }

    fn print_table(&self, out: &mut impl Write) -> std::io::Result<()> {
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(plain).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let header: Vec<String> = self.columns.iter().map(|name| name.to_uppercase()).collect();
        for row in std::iter::once(&header).chain(&rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }

    fn print_json(&self, out: &mut impl Write) -> std::io::Result<()> {
        let object = |row: &Vec<Value>| {
            let pairs = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)
    }

    fn print_csv(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{}", self.columns.join(","))?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(cell).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }
}

/// Control characters from outside could move a terminal's cursor.
pub(super) fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(plain).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Nothing is an empty cell, and only that.
fn cell(value: &Value) -> String {
    if value.is_null() { String::new() } else { quoted(&plain(value)) }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_an_empty_cell_and_text_stays_text() {
        let mut table = Table::new(&["a", "b", "c"]);
        table.row(vec![Value::Null, json!("x, \"y\""), json!("-")]);
        let mut out = Vec::new();
        table.print(Format::Csv, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,b,c\n,\"x, \"\"y\"\"\",-\n");
    }
}
