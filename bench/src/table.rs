//! Markdown tables, padded so that they are also readable in a terminal.

use std::fmt;

/// A table whose first column is text and whose other columns are figures.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new<Cell: Into<String>>(header: impl IntoIterator<Item = Cell>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row, which must have as many cells as the header.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Returns whether the table has nothing but its header.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> =
            (0..self.rows[0].len()).map(|column| width(column).unwrap_or(0).max(3)).collect();
        let figures = widths[1..].iter().map(|width| "-".repeat(width - 1) + ":");
        let rule: Vec<String> = std::iter::once("-".repeat(widths[0])).chain(figures).collect();
        for row in self.rows[..1].iter().chain([&rule]).chain(&self.rows[1..]) {
            write!(formatter, "| {:<width$} |", row[0], width = widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(formatter, " {cell:>width$} |")?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["name", "ms"]);
        assert!(table.is_empty());
        table.row(["a long name".to_owned(), "1.25".to_owned()]);
        let text = table.to_string();
        let expected = "| name        |   ms |\n| ----------- | ---: |\n| a long name | 1.25 |\n";
        assert_eq!(text, expected);
    }
}
