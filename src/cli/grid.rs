//! A grid of cells for people: columns side by side, fitted to the terminal.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
    presets,
};

use super::term::{Ink, Screen};

/// A word up to this long is not broken.
const LONG_WORD_CHARS: usize = 24;
/// Blanks between two columns.
const COLUMN_GAP: usize = 2;

/// A table for people without lines: columns two spaces apart. Where the terminal is too narrow,
/// cells are broken between words; where that is not enough, each row becomes a paragraph.
#[derive(Debug)]
pub struct Grid {
    screen: Screen,
    headings: Vec<String>,
    right: Vec<usize>,
    rows: Vec<Vec<String>>,
    /// Colours of last cells, by row.
    inks: Vec<Ink>,
}

/// How a grid fits the terminal.
enum Fit {
    Whole,
    /// Least width of each column.
    Broken(Vec<usize>),
    Paragraphs,
}

impl Grid {
    /// An empty one.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            headings: Vec::new(),
            right: Vec::new(),
            rows: Vec::new(),
            inks: Vec::new(),
        }
    }

    /// Sets the headings.
    pub fn head(&mut self, names: Vec<String>) {
        self.headings = names;
    }

    /// Aligns a column of numbers.
    pub fn align_right(&mut self, column: usize) {
        self.right.push(column);
    }

    /// Adds a row; the cells hold nothing that could act on a terminal.
    pub fn row(&mut self, cells: Vec<String>) {
        self.row_in(cells, Ink::Plain);
    }

    /// Adds a row whose last cell has a colour.
    pub fn row_in(&mut self, cells: Vec<String>, ink: Ink) {
        self.rows.push(cells);
        self.inks.push(ink);
    }

    /// Writes it, without blanks at the ends of lines.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.fit() {
            Fit::Whole => self.write_columns(out, None),
            Fit::Broken(least) => self.write_columns(out, Some(&least)),
            Fit::Paragraphs => self.write_paragraphs(out),
        }
    }

    fn fit(&self) -> Fit {
        let Some(width) = self.screen.width.map(usize::from) else {
            return Fit::Whole;
        };
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let gaps = COLUMN_GAP * columns.saturating_sub(1);
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let heading = |column: usize| self.headings.get(column).map_or("", String::as_str);
        let whole = |column| {
            let widest = cells(column).map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(heading(column).chars().count())
        };
        if (0..columns).map(whole).sum::<usize>() + gaps <= width {
            return Fit::Whole;
        }
        let least = |column| {
            let cell = cells(column).map(|cell| longest(cell.split(' '))).max();
            let cell = cell.unwrap_or(0).min(LONG_WORD_CHARS);
            cell.max(longest(heading(column).split_inclusive('_')))
        };
        let least: Vec<_> = (0..columns).map(least).collect();
        if least.iter().sum::<usize>() + gaps <= width || self.headings.is_empty() {
            Fit::Broken(least)
        } else {
            Fit::Paragraphs
        }
    }

    fn write_columns(&self, out: &mut dyn Write, least: Option<&[usize]>) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.force_no_tty();
        if self.screen.color {
            table.enforce_styling();
        }
        let aligned = |column: usize, cell: Cell| {
            if self.right.contains(&column) {
                cell.set_alignment(CellAlignment::Right)
            } else {
                cell
            }
        };
        if !self.headings.is_empty() {
            let cells = self.headings.iter().enumerate().map(|(column, name)| {
                let name = match least.and_then(|least| least.get(column)) {
                    Some(width) => broken_heading(name, *width),
                    None => name.clone(),
                };
                aligned(column, Cell::new(name).add_attribute(Attribute::Bold))
            });
            table.set_header(cells.collect::<Vec<_>>());
        }
        for (row, ink) in self.rows.iter().zip(&self.inks) {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let ink = if column + 1 == row.len() {
                    *ink
                } else {
                    Ink::Plain
                };
                aligned(column, in_ink(Cell::new(cell), ink))
            });
            table.add_row(cells.collect::<Vec<_>>());
        }
        let last = table.column_count().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            let gap = if index == last { 0 } else { COLUMN_GAP };
            column.set_padding((0, gap as u16));
            if let Some(width) = least.and_then(|least| least.get(index)) {
                let width = Width::Fixed((width + gap) as u16);
                column.set_constraint(ColumnConstraint::LowerBoundary(width));
            }
        }
        match (least, self.screen.width) {
            (Some(_), Some(width)) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width),
            _ => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_paragraphs(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = longest(self.headings.iter().map(String::as_str));
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            for (name, cell) in self.headings.iter().zip(row) {
                let name = format!("{name:<width$}");
                writeln!(out, "{}  {cell}", self.screen.paint(Ink::Heading, &name))?;
            }
        }
        Ok(())
    }
}

fn longest<'t>(words: impl Iterator<Item = &'t str>) -> usize {
    words.map(|word| word.chars().count()).max().unwrap_or(0)
}

// `source_type` in two lines where its column is narrower.
fn broken_heading(name: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for part in name.split_inclusive('_') {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() || line.chars().count() + part.chars().count() <= width {
            line.push_str(part);
        } else {
            lines.push(part.to_owned());
        }
    }
    lines.join("\n")
}

fn in_ink(cell: Cell, ink: Ink) -> Cell {
    match ink {
        Ink::Good => cell.fg(Color::DarkGreen),
        Ink::Warning => cell.fg(Color::DarkYellow),
        Ink::Bad | Ink::Worst => cell.fg(Color::DarkRed),
        Ink::Plain | Ink::Heading | Ink::Faint | Ink::Name => cell,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn narrow(width: u16) -> String {
        let mut grid = Grid::new(Screen {
            width: Some(width),
            ..Screen::default()
        });
        grid.head(["source_id", "at", "text"].map(String::from).into());
        let text = "some words that follow each other";
        grid.row(
            ["front_door", "2026-11-20 03:12:07", text]
                .map(String::from)
                .into(),
        );
        let mut out = Vec::new();
        grid.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_narrow_terminal_breaks_between_words_and_a_narrower_one_gets_paragraphs() {
        let line = "front_door  2026-11-20 03:12:07  some words that follow each other\n";
        assert!(narrow(66).ends_with(line), "{}", narrow(66));
        for width in 30..66 {
            let text = narrow(width);
            let limit = usize::from(width);
            assert!(
                text.lines().all(|line| line.chars().count() <= limit),
                "{text}"
            );
            for word in ["front_door", "2026-11-20", "03:12:07", "follow"] {
                assert!(text.contains(word), "{width}: {text}");
            }
        }
        let paragraph = "\
source_id  front_door
at         2026-11-20 03:12:07
text       some words that follow each other
";
        assert_eq!(narrow(29), paragraph);
        assert_eq!(broken_heading("source_id_of_it", 9), "source_\nid_of_it");
    }
}
