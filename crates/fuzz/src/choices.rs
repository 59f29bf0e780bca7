//! Decisions that follow from bytes.

/// Bytes from which one decision after another is taken. When they are used up, each is the first of its choices.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// One of so many, at most 256.
    pub(crate) fn of_so_many(&mut self, many: u64) -> u64 {
        u64::from(self.byte()) % many
    }

    /// The next so many bytes, or what there is.
    pub(crate) fn bytes(&mut self, many: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(many.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
