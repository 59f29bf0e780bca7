//! Tables: a head, rows, and a place to scroll in where the window is narrow.

use maud::{Markup, html};

/// A column's head.
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// What it holds exactly, for who points at it.
    pub(crate) meaning: &'static str,
    /// Whether it holds numbers, which stand to the right.
    pub(crate) is_number: bool,
}

impl Column {
    fn class(&self) -> Option<&'static str> {
        self.is_number.then_some("number")
    }

    fn hint(&self) -> Option<&'static str> {
        (!self.meaning.is_empty()).then_some(self.meaning)
    }
}

/// Text.
pub(crate) fn words(name: impl Into<String>) -> Column {
    Column { name: name.into(), meaning: "", is_number: false }
}

/// Numbers.
pub(crate) fn numbers(name: impl Into<String>, meaning: &'static str) -> Column {
    Column { name: name.into(), meaning, is_number: true }
}

/// A table that can be sorted where scripts run.
pub(crate) fn table(caption: &str, columns: &[Column], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table.sortable {
                caption { (caption) }
                thead { tr {
                    @for column in columns {
                        th scope="col" class=[column.class()] title=[column.hint()] { (column.name) }
                    }
                } }
                tbody {
                    @for row in rows { tr {
                        @for (cell, column) in row.iter().zip(columns) {
                            td class=[column.class()] { (cell) }
                        }
                    } }
                }
            }
        }
    }
}
