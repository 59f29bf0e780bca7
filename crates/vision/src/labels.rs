//! Names of classes, by their position in a model's output.

use std::sync::{Arc, OnceLock};

/// The classes of one model, in the order of its output.
#[derive(Debug, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    /// WordNet's ids, where the classes have them.
    ids: Vec<String>,
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
            let column = |number: usize| {
                let cell = move |line: &str| line.splitn(3, '\t').nth(number).expect("three columns a line").to_owned();
                table.lines().map(cell).collect()
            };
            Arc::new(Self { names: column(2), ids: column(1) })
        });
        Arc::clone(labels)
    }

    /// One class a line; a blank line at the end is not a class.
    pub(crate) fn from_lines(text: &str) -> Arc<Self> {
        Self::of(text.trim_end().lines().map(|line| line.trim().to_owned()).collect())
    }

    /// Classes of these names.
    pub(crate) fn of(names: Vec<String>) -> Arc<Self> {
        Arc::new(Self { names, ids: Vec::new() })
    }

    /// The name of the class at `index` of the output.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// The position of the class that is called so: by its WordNet id, or by its name where no other has the same.
    #[must_use]
    pub fn position(&self, called: &str) -> Option<usize> {
        let by_id = self.ids.iter().position(|id| id == called);
        let mut by_name = self.names.iter().enumerate().filter(|(_, name)| *name == called);
        by_id.or_else(|| by_name.next().filter(|_| by_name.next().is_none()).map(|(position, _)| position))
    }

    /// The names, in the order of the output.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
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
    fn a_class_is_found_by_its_id_or_by_a_name_that_no_other_has() {
        let labels = Labels::imagenet();
        assert_eq!(labels.position("n01440764"), Some(0));
        assert_eq!(labels.position("tench, Tinca tinca"), Some(0));
        assert_eq!(labels.position("crane"), None, "a bird and a machine");
        assert_eq!(labels.position("unicorn"), None);
        assert_eq!(Labels::from_lines("cat\ndog").position("dog"), Some(1));
    }

    #[test]
    fn a_label_file_is_one_class_a_line() {
        let labels = Labels::from_lines("cat\r\ndog\n\n");
        assert_eq!((labels.len(), labels.name(1)), (2, Some("dog")));
    }
}
