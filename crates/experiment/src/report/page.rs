//! The page: one HTML file with everything in it. It needs no script; a little one sorts tables where scripts run.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::Figure;
use super::studies::Study;

mod calibration;
mod contrast_table;
mod drawings;
mod head;
mod settings;
mod study;
pub(crate) mod table;
mod transport_table;

/// How the page looks, on a screen and on paper.
const STYLE: &str = include_str!("page/style.css");

/// Sorting.
const SCRIPT: &str = include_str!("page/sort.js");

/// The names of studies make the names of files; so long at most.
const SLUG_CHARACTERS: usize = 60;

/// What is to be written.
pub(crate) struct Report {
    pub(crate) html: String,
    pub(crate) figures: Vec<Figure>,
}

/// Lays out the page of some studies.
pub(crate) fn lay_out(studies: &[Study<'_>]) -> Report {
    let slugs = slugs(studies);
    let mut figures = Vec::new();
    let mut sections = Vec::new();
    for (study, slug) in studies.iter().zip(&slugs) {
        let drawings = drawings::drawings(study, slug);
        sections.push(study::section(study, slug, &drawings));
        figures.extend(drawings.all());
    }
    let contents: Vec<(&str, &str)> =
        studies.iter().zip(&slugs).map(|(study, slug)| (study.name.as_str(), slug.as_str())).collect();
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title(studies)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head::head(studies, &contents))
                    @for section in &sections { (section) }
                    (calibration::section(studies))
                    (study::meanings())
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Report { html: html.into_string(), figures }
}

fn title(studies: &[Study<'_>]) -> String {
    let names: Vec<&str> = studies.iter().map(|study| study.name.as_str()).collect();
    format!("manyeyes, measured: {}", names.join(", "))
}

/// A name for each study that files and addresses can have, no two alike.
fn slugs(studies: &[Study<'_>]) -> Vec<String> {
    let mut slugs: Vec<String> = Vec::new();
    for study in studies {
        let slug = slug(&study.name);
        let numbered = (2..).map(|number| format!("{slug}-{number}"));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|slug| !slugs.contains(slug));
        slugs.push(free.expect("there are more numbers than studies"));
    }
    slugs
}

fn slug(name: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    let slug: String = name.chars().take(SLUG_CHARACTERS).map(plain).collect();
    let words: Vec<&str> = slug.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "study".to_owned() } else { words.join("-") }
}

/// A list of facts: what, and what of it.
fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
    }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_name_becomes_one_that_files_can_have() {
        assert_eq!(
            ["workers", "Delay & <loss>", "../..", "", "été"].map(slug),
            ["workers", "delay-loss", "study", "study", "t"]
        );
    }
}
