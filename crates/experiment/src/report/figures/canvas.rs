//! What every drawing has: its size, its title, its description, and text.

use maud::{Markup, PreEscaped, Render as _, html};

use super::palette::{FAINT_INK, INK};

/// The usual width: two stand side by side on a page without their text becoming small.
pub(crate) const WIDTH: f64 = 560.0;

/// The usual size of text.
pub(crate) const TEXT: f64 = 13.0;

/// Where the title ends and the drawing may begin.
pub(crate) const BELOW_TITLE: f64 = 34.0;

/// The mean width of a character, in parts of the text's size: for what must be placed before any font is known.
const CHARACTER: f64 = 0.55;

/// The size of a title, and how much narrower regular letters are than its bold ones.
const TITLE: f64 = 15.0;
const REGULAR: f64 = 0.93;

/// Fonts that are there already.
const FONTS: &str = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif";

/// A drawing.
pub(crate) struct Figure {
    /// Its file's name without the ending, and what its parts are named after: one of its kind in a page.
    pub(crate) slug: String,
    /// What it shows.
    pub(crate) title: String,
    /// How to read it: what the marks are, and of how many runs.
    pub(crate) caption: String,
    /// In pixels of its own.
    pub(crate) width: f64,
    /// In pixels of its own.
    pub(crate) height: f64,
    /// What is drawn.
    pub(crate) body: Markup,
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    /// Its first letter.
    Start,
    /// Its middle.
    Middle,
    /// Its last letter.
    End,
}

impl Figure {
    /// As a file.
    pub(crate) fn file(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", self.svg().into_string())
    }

    /// As an element of a page, with its caption below.
    pub(crate) fn element(&self) -> Markup {
        let class = if self.width > WIDTH { "figure wide" } else { "figure" };
        html! {
            figure class=(class) { div.scroll { (self.svg()) } figcaption { (self.caption) } }
        }
    }

    /// Smaller where the title is long.
    fn title_size(&self) -> f64 {
        let fitting = (self.width - 24.0) / text_width(&self.title, 1.0).max(1.0);
        (fitting * REGULAR).min(TITLE)
    }

    fn svg(&self) -> Markup {
        let (title, description) = (format!("{}-title", self.slug), format!("{}-description", self.slug));
        let drawn = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (px(self.width)) " " (px(self.height)) }
                width=(px(self.width)) height=(px(self.height)) role="img"
                aria-labelledby={ (title) " " (description) } font-family=(FONTS) font-size=(px(TEXT)) fill=(INK) {
                title id=(title) { (self.title) }
                desc id=(description) { (self.caption) }
                rect width=(px(self.width)) height=(px(self.height)) fill="#ffffff" {}
                text x="12" y="22" font-size=(px(self.title_size())) font-weight="600" { (self.title) }
                (self.body)
            }
        };
        PreEscaped(drawn.into_string().replace(is_forbidden, "\u{fffd}"))
    }
}

/// Characters that XML may not hold in any form: names may come from anywhere.
fn is_forbidden(character: char) -> bool {
    (character.is_control() && !matches!(character, '\t' | '\n' | '\r')) || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// A length, to a tenth of a pixel.
pub(crate) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// How wide a text is about.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// A text as far as there is room for it.
pub(crate) fn fitting(text: &str, width: f64) -> String {
    let room = (width / (TEXT * CHARACTER)) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// Text whose middle line runs at `y`.
pub(crate) fn text(x: f64, y: f64, anchor: Anchor, colour: &str, content: &str) -> Markup {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    html! {
        text x=(px(x)) y=(px(y + TEXT * 0.35)) text-anchor=(anchor) fill=(colour) { (content) }
    }
}

/// A straight line.
pub(crate) fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> Markup {
    html! {
        line x1=(px(from.0)) y1=(px(from.1)) x2=(px(to.0)) y2=(px(to.1)) stroke=(colour) stroke-width=(width.render()) {}
    }
}

/// What the marks mean: a title, then symbols, each with its name, in rows. Gives the height too.
pub(crate) fn legend(title: &str, entries: &[(Markup, String)], left: f64, top: f64, width: f64) -> (Markup, f64) {
    const SYMBOL: f64 = 34.0;
    const GAP: f64 = 14.0;
    const ROW: f64 = 20.0;
    let (mut x, mut y) = (left, top + ROW / 2.0);
    let mut placed = Vec::new();
    if !title.is_empty() {
        placed.push(text(x, y, Anchor::Start, FAINT_INK, &format!("{title}:")));
        x += text_width(title, TEXT) + GAP;
    }
    for (symbol, name) in entries {
        let needed = SYMBOL + text_width(name, TEXT);
        if x > left && x + needed > left + width {
            (x, y) = (left, y + ROW);
        }
        placed.push(html! {
            g transform={ "translate(" (px(x)) " " (px(y)) ")" } { (symbol) }
            (text(x + SYMBOL, y, Anchor::Start, INK, name))
        });
        x += needed + GAP;
    }
    let height = if entries.is_empty() { 0.0 } else { y + ROW / 2.0 - top };
    (html! { @if !entries.is_empty() { @for entry in &placed { (entry) } } }, height)
}
