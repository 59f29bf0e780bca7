//! Comparing what must not be guessed.

use std::hint::black_box;

/// Whether both are the same. How long it takes tells of `offered`'s length only, so a token cannot be found byte by
/// byte.
pub(crate) fn same(expected: &str, offered: &str) -> bool {
    let (expected, offered) = (expected.as_bytes(), offered.as_bytes());
    let mut difference = u8::from(expected.len() != offered.len());
    for (position, byte) in offered.iter().enumerate() {
        let against = expected.get(position % expected.len().max(1)).copied().unwrap_or_default();
        difference = black_box(difference | (byte ^ against));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn only_the_same_text_is_the_same() {
        assert!(same("token", "token"));
        assert!(same("", ""));
        for offered in ["", "t", "tokem", "tokentoken", "token\0"] {
            assert!(!same("token", offered), "{offered:?}");
        }
        assert!(!same("", "t"));
    }
}
