//! Names of classes, by their position in a model's output.

use std::sync::{Arc, OnceLock};

/// The classes of one model, in the order of its output.
#[derive(Debug, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
}

impl Labels {
    /// The 1000 classes of ILSVRC2012 in their usual order, from the embedded `models/imagenet.tsv`.
    ///
    /// # Panics
    /// Never: a test reads the embedded file.
    #[must_use]
    pub fn imagenet() -> Arc<Self> {
        static IMAGENET: OnceLock<Arc<Labels>> = OnceLock::new();
        let labels = IMAGENET.get_or_init(|| {
            let table = include_str!("../../../models/imagenet.tsv");
            let name = |line: &str| line.splitn(3, '\t').nth(2).expect("three columns a line").to_owned();
            Arc::new(Self { names: table.lines().map(name).collect() })
        });
        Arc::clone(labels)
    }

    /// One class a line; a blank line at the end is not a class.
    pub(crate) fn from_lines(text: &str) -> Arc<Self> {
        Arc::new(Self { names: text.trim_end().lines().map(|line| line.trim().to_owned()).collect() })
    }

    /// The name of the class at `index` of the output.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_its_thousand_classes_in_order() {
        let table: Vec<_> = include_str!("../../../models/imagenet.tsv").lines().collect();
        for (index, line) in table.iter().enumerate() {
            assert_eq!(line.split('\t').next(), Some(index.to_string().as_str()));
        }
        let labels = Labels::imagenet();
        assert_eq!(labels.len(), 1000);
        assert_eq!(labels.name(0), Some("tench, Tinca tinca"));
        assert_eq!(labels.name(999), Some("toilet tissue, toilet paper, bathroom tissue"));
        assert_eq!(labels.name(1000), None);
    }

    #[test]
    fn a_label_file_is_one_class_a_line() {
        let labels = Labels::from_lines("cat\r\ndog\n\n");
        assert_eq!((labels.len(), labels.name(1)), (2, Some("dog")));
    }
}
