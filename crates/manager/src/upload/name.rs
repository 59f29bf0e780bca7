//! A file's name as a stranger gave it, made fit to be shown and saved.

/// The longest name that is kept, in bytes of UTF-8: what most file systems can hold.
pub(crate) const NAME_BYTES: usize = 255;
/// What an image is called whose sender gave no name.
pub(crate) const UNNAMED: &str = "unnamed";

/// Whether a file may have this name: not one of which [`clean`] leaves nothing, and not one with a NUL, which no file
/// system has, so it was made to mislead.
pub(crate) fn is_usable(given: &str) -> bool {
    !given.contains('\0') && !visible(given).is_empty()
}

/// The name without folders, control characters, characters that turn the direction of text and characters that cannot
/// be seen, shortened to [`NAME_BYTES`]; [`UNNAMED`] where that leaves nothing.
///
/// Quotes and HTML stay: they are legal, and whoever shows a name escapes it for the place where it is shown.
pub(crate) fn clean(given: &str) -> String {
    let visible = visible(given);
    if visible.is_empty() { UNNAMED.to_owned() } else { visible }
}

fn visible(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last.chars().filter(|&c| !(c.is_control() || turns_direction(c) || is_unseen(c))).collect();
    match shortened(visible.trim()) {
        "." | ".." => String::new(),
        name => name.to_owned(),
    }
}

/// The bidirectional formatting characters (Unicode Standard Annex 9, section 2): `gpj.exe` can be shown as `exe.jpg`.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Spaces without width, and breaks of lines and paragraphs. Joiners stay: emoji and several scripts are spelt with them.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}')
}

fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_stripped_of_both_kinds() {
        assert_eq!(clean("../../etc/passwd.jpg"), "passwd.jpg");
        assert_eq!(clean(r"C:\Users\me\cat.jpg"), "cat.jpg");
    }

    #[test]
    fn control_characters_turned_text_and_what_cannot_be_seen_are_removed() {
        assert_eq!(clean("a\r\n\tb\u{7f}\u{202e}\u{61c}gpj.jpg"), "abgpj.jpg");
        assert_eq!(clean("\u{feff}a\u{200b}\u{2028}b\u{2060}.jpg"), "ab.jpg");
    }

    #[test]
    fn names_of_any_script_and_emoji_stay_as_they_are() {
        for name in ["\u{43a}\u{43e}\u{442}.jpg", "\u{1f469}\u{200d}\u{1f52c}.png", "\u{5d7}\u{5ea}.jpg"] {
            assert_eq!(clean(name), name);
        }
    }

    #[test]
    fn quotes_and_html_stay_as_they_are() {
        let name = "<img src=x onerror=\"alert('1')\">.jpg";
        assert_eq!(clean(name), name);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = clean(&"\u{20ac}".repeat(300));
        assert_eq!(name.len(), 255);
        assert!(name.chars().all(|c| c == '\u{20ac}'));
        assert_eq!(clean(&"x".repeat(300)).len(), 255);
    }

    #[test]
    fn names_of_which_nothing_is_left_are_refused() {
        for name in ["", "..", ".", "a/", "../", "\u{1}", "   ", "\u{200b}"] {
            assert!(!is_usable(name), "{name:?}");
            assert_eq!(clean(name), UNNAMED);
        }
        assert!(is_usable("a.jpg"));
    }

    #[test]
    fn a_name_with_a_nul_is_refused_and_can_be_told_from_others() {
        assert!(!is_usable("a\0.jpg"));
        assert_eq!(clean("a\0.jpg"), "a.jpg");
    }
}
