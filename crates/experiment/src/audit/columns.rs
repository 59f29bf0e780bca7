//! Which column is which, by the names that people give them.

use std::fmt;

use csv::StringRecord;

/// A column that an audit reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Condition,
    Mean,
    Deviation,
    N,
    Lower,
    Upper,
    Confidence,
}

/// Where each column is.
pub(super) struct Columns {
    /// In the order of [`Column::ALL`].
    places: [Option<usize>; Column::ALL.len()],
    /// Fields of a line.
    pub(super) width: usize,
    /// Whether the conditions are numbers of workers.
    pub(super) conditions_are_workers: bool,
}

impl Column {
    const ALL: [Self; 7] =
        [Self::Condition, Self::Mean, Self::Deviation, Self::N, Self::Lower, Self::Upper, Self::Confidence];

    /// What it may be called, in small letters and digits only.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Condition => &["condition", "level", "group", "treatment", "setting", "name"],
            Self::Mean => &["mean", "average", "avg"],
            Self::Deviation => &["std", "sd", "stdev", "stddev", "s", "deviation", "standarddeviation"],
            Self::N => &["n", "runs", "repeats", "samples", "samplesize", "count"],
            Self::Lower => &["lower", "low", "lcl", "cilow", "cilower", "lowerbound", "95cilower"],
            Self::Upper => &["upper", "high", "ucl", "cihigh", "ciupper", "upperbound", "95ciupper"],
            Self::Confidence => &["confidence", "confidencelevel", "cl"],
        }
    }
}

impl Columns {
    /// Of a header; else what is wrong with it.
    pub(super) fn of(header: &StringRecord) -> Result<Self, Vec<String>> {
        let known: Vec<Option<Column>> = header.iter().map(column).collect();
        let mut whats = Vec::new();
        let mut places = Column::ALL.map(|column| {
            let mut places =
                known.iter().enumerate().filter(|(_, known)| **known == Some(column)).map(|(place, _)| place);
            let place = places.next();
            if places.next().is_some() {
                whats.push(format!("two columns are the {column}"));
            }
            place
        });
        let condition = &mut places[Column::Condition as usize];
        *condition = condition.or_else(|| known.iter().position(Option::is_none));
        for column in Column::ALL {
            if places[column as usize].is_none() && column != Column::Confidence {
                whats.push(format!("no column is the {column}; it may be called {}", column.names().join(", ")));
            }
        }
        if !whats.is_empty() {
            return Err(whats);
        }
        let named = places[Column::Condition as usize].and_then(|place| header.get(place)).map(plain);
        let conditions_are_workers = named.as_deref() == Some("workers");
        Ok(Self { places, width: header.len(), conditions_are_workers })
    }

    /// A line's field; `None` where the table has no such column.
    pub(super) fn field<'line>(&self, line: &'line StringRecord, column: Column) -> Option<&'line str> {
        line.get(self.places[column as usize]?)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Condition => "condition",
            Self::Mean => "mean",
            Self::Deviation => "standard deviation",
            Self::N => "number of runs",
            Self::Lower => "interval's lower end",
            Self::Upper => "interval's upper end",
            Self::Confidence => "confidence",
        })
    }
}

fn column(name: &str) -> Option<Column> {
    let name = plain(name);
    Column::ALL.into_iter().find(|column| column.names().contains(&name.as_str()))
}

/// A name without what makes no difference.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}
