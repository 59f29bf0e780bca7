//! A file's name as a stranger gave it, made fit to be shown and saved.

/// The longest name that is kept, in bytes of UTF-8: what most file systems can hold.
pub(crate) const NAME_BYTES: usize = 255;
/// What an image is called whose sender gave no name.
pub(crate) const UNNAMED: &str = "unnamed";

/// The name without folders, control characters and characters that turn the direction of text, shortened to
/// [`NAME_BYTES`]. `None` where that leaves nothing, and for a name with a NUL: no file system has such a name, so it was
/// made to mislead.
///
/// Quotes and HTML stay: they are legal, and whoever shows a name escapes it for the place where it is shown.
pub(crate) fn clean(given: &str) -> Option<String> {
    if given.contains('\0') {
        return None;
    }
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last.chars().filter(|&c| !c.is_control() && !turns_direction(c)).collect();
    let name = shortened(visible.trim());
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

/// The bidirectional formatting characters (Unicode Standard Annex 9, section 2): `gpj.exe` can be shown as `exe.jpg`.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_stripped_of_both_kinds() {
        assert_eq!(clean("../../etc/passwd.jpg").as_deref(), Some("passwd.jpg"));
        assert_eq!(clean(r"C:\Users\me\cat.jpg").as_deref(), Some("cat.jpg"));
    }

    #[test]
    fn control_characters_and_turned_text_are_removed() {
        assert_eq!(clean("a\r\n\tb\u{7f}\u{202e}gpj.jpg").as_deref(), Some("abgpj.jpg"));
    }

    #[test]
    fn quotes_and_html_stay_as_they_are() {
        let name = "<img src=x onerror=\"alert('1')\">.jpg";
        assert_eq!(clean(name).as_deref(), Some(name));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = clean(&"\u{20ac}".repeat(300)).unwrap();
        assert_eq!(name.len(), 255);
        assert!(name.chars().all(|c| c == '\u{20ac}'));
        assert_eq!(clean(&"x".repeat(300)).unwrap().len(), 255);
    }

    #[test]
    fn names_of_which_nothing_is_left_are_refused() {
        for name in ["", "..", ".", "a/", "../", "\u{1}", "   ", "a\0.jpg"] {
            assert_eq!(clean(name), None, "{name:?}");
        }
    }
}
