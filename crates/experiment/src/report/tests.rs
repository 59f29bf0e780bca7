//! What a report promises, on made-up runs.

pub(crate) mod synthetic;

use std::fs;
use std::path::Path;

use super::*;
use crate::record::{Event, Host, Level, MachineFacts};
use synthetic::{number, study, word};

fn numbers(levels: &[f64]) -> Vec<Level> {
    levels.iter().copied().map(number).collect()
}

/// One factor after another from three workers with nothing impaired, 5 s an image.
fn original() -> Vec<Run> {
    let usual = [
        ("workers", number(3.0)),
        ("failure_probability", number(0.0)),
        ("failure_mode", word("none")),
        ("delay_ms", number(0.0)),
        ("loss", number(0.0)),
    ];
    let with = |changed: &[(&'static str, Level)]| {
        let mut factors: Vec<(&str, Vec<Level>)> =
            vec![("service_ms", numbers(&[5000.0])), ("images", numbers(&[5.0]))];
        factors.extend(usual.iter().map(|(factor, level)| {
            let level = changed.iter().find(|(name, _)| name == factor).map_or(level, |(_, level)| level);
            (*factor, vec![level.clone()])
        }));
        study("original", &factors, 8)
    };
    let mut runs = with(&[]);
    runs.extend([1.0, 2.0].iter().flat_map(|workers| with(&[("workers", number(*workers))])));
    let failing =
        |probability: &f64| with(&[("failure_probability", number(*probability)), ("failure_mode", word("announce"))]);
    runs.extend([0.1, 0.3, 0.5].iter().flat_map(failing));
    runs.extend([100.0, 300.0, 500.0].iter().flat_map(|delay_ms| with(&[("delay_ms", number(*delay_ms))])));
    runs.extend([0.05, 0.1, 0.15].iter().flat_map(|loss| with(&[("loss", number(*loss))])));
    runs
}

/// The studies of the lab, as its scenarios have them.
fn every_study() -> Vec<Run> {
    let modes = ["announce", "crash", "hang", "slow", "disconnect"].map(word).to_vec();
    [
        study("images", &[("images", numbers(&[1.0, 5.0, 20.0, 100.0]))], 8),
        study("workers", &[("workers", numbers(&[1.0, 2.0, 3.0])), ("images", numbers(&[5.0, 60.0]))], 8),
        study(
            "workers-fixed",
            &[("workers", numbers(&[1.0, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0])), ("images", numbers(&[320.0]))],
            4,
        ),
        study(
            "failure",
            &[
                ("failure_probability", numbers(&[0.1, 0.3, 0.5])),
                ("failure_mode", modes),
                ("standby", numbers(&[0.0, 1.0])),
            ],
            8,
        ),
        study(
            "failure",
            &[
                ("failure_probability", numbers(&[0.0])),
                ("failure_mode", vec![word("none")]),
                ("standby", numbers(&[0.0, 1.0])),
            ],
            8,
        ),
        study("delay", &[("delay_ms", numbers(&[0.0, 100.0, 300.0, 500.0])), ("images", numbers(&[5.0, 60.0]))], 8),
        study(
            "loss",
            &[("loss", numbers(&[0.05, 0.1, 0.15])), ("loss_model", vec![word("independent"), word("bursty")])],
            8,
        ),
        study("loss", &[("loss", numbers(&[0.0])), ("loss_model", vec![word("none")])], 8),
        original(),
    ]
    .concat()
}

/// The page and the figures of some runs.
fn written(runs: &[Run]) -> (String, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let written = write(runs, folder.path()).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let figures = written.figures.iter().map(|path| (name(path), fs::read_to_string(path).unwrap()));
    (fs::read_to_string(&written.page).unwrap(), figures.collect())
}

/// Runs of two cells at these speeds, in images a second.
fn at_speeds(slower: &[f64], faster: &[f64]) -> Vec<Run> {
    let of = |workers: f64, speeds: &[f64]| {
        let mut runs = study("workers", &[("workers", numbers(&[workers]))], speeds.len() as u32);
        for (run, speed) in runs.iter_mut().zip(speeds) {
            run.elapsed_s = Some(run.images.len() as f64 / speed);
        }
        runs
    };
    [of(1.0, slower), of(2.0, faster)].concat()
}

#[test]
fn every_study_has_its_section_and_figures_that_say_what_they_show() {
    let (page, figures) = written(&every_study());
    let slugs =
        ["images", "workers", "workers-fixed", "failure", "delay", "loss", "original-workers", "original-delay"];
    for slug in slugs {
        assert!(page.contains(&format!("<section id=\"{slug}\">")), "{slug}");
        assert!(figures.iter().any(|(name, _)| *name == format!("{slug}-run.svg")), "{slug}");
    }
    for (name, figure) in &figures {
        let drawing = roxmltree::Document::parse(figure).unwrap();
        for what in ["title", "desc"] {
            let said = drawing
                .root_element()
                .children()
                .find(|child| child.has_tag_name(("http://www.w3.org/2000/svg", what)));
            assert!(said.unwrap().text().is_some_and(|text| text.len() > 10), "{name} has no {what}");
        }
        let inline = figure.split_once('\n').unwrap().1.trim_end();
        assert!(page.contains(inline), "{name} is not in the page");
    }
}

/// Of 1, 2 and 3: mean 2, deviation 1, t(0.975, 2) = 4.3027, so half a width of 4.3027 / sqrt(3) = 2.484. Against 2, 3 and 4 the
/// difference is 1, its standard error sqrt(2 / 3), t = 1.2247 with 4 degrees of freedom, and p = 0.288.
#[test]
fn the_numbers_are_those_that_one_computes_by_hand() {
    let (page, _) = written(&at_speeds(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]));
    for number in ["2.0 ± 2.5", "2 [1.50, 2.50]", "3.0 ± 2.5", "1.0 ± 2.3", "0.288"] {
        assert!(page.contains(&format!("<td class=\"number\">{number}</td>")), "{number}");
    }
}

#[test]
fn what_differs_is_said_to_differ_and_nothing_else_is() {
    let (alike, _) = written(&at_speeds(&[1.0, 2.0, 3.0], &[1.5, 2.5, 3.5]));
    assert!(alike.contains("they cannot be told apart") && alike.contains("more runs of each are needed"));
    assert!(!alike.contains("they differ"));
    let (different, _) = written(&at_speeds(&[1.0, 1.01, 1.02], &[2.0, 2.01, 2.02]));
    assert!(different.contains("they differ (p &lt; 0.001)"));
    assert!(!different.contains("cannot be told apart"));
}

#[test]
fn a_void_run_is_listed_and_not_counted() {
    let mut runs = at_speeds(&[1.0, 2.0, 3.0, 900.0], &[2.0, 3.0, 4.0]);
    runs[3].void.push("packets were late on worker-1".to_owned());
    let (page, _) = written(&runs);
    assert!(page.contains("6 runs count; 1 is void"));
    assert!(page.contains("<td>packets were late on worker-1.</td>"));
    assert!(page.contains("<td class=\"number\">2.0 ± 2.5</td>"), "the void run was counted");
}

#[test]
fn a_run_that_did_not_end_is_void_too() {
    let mut runs = at_speeds(&[1.0, 2.0], &[2.0, 3.0]);
    runs[0].elapsed_s = None;
    let (page, _) = written(&runs);
    assert!(page.contains("3 runs count; 1 is void") && page.contains("It did not end within its bound."));
}

#[test]
fn where_no_run_counts_the_report_says_why() {
    let mut runs = at_speeds(&[1.0, 2.0], &[2.0, 3.0]);
    runs.iter_mut().for_each(|run| run.void.push("the links were not as asked".to_owned()));
    let (page, figures) = written(&runs);
    assert!(page.contains("0 runs count; 4 are void") && page.contains("the links were not as asked"));
    for (_, figure) in &figures {
        roxmltree::Document::parse(figure).unwrap();
        assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
    }
}

#[test]
fn an_image_that_was_lost_or_answered_twice_is_told() {
    let mut runs = at_speeds(&[1.0, 2.0], &[2.0, 3.0]);
    assert!(written(&runs).0.contains("Each of the 80 images of all runs was recognised and answered once."));
    runs[0].images[0].answers = 2;
    runs[1].images[1].answers = 0;
    runs[1].images[2].state = "failed".to_owned();
    let (page, _) = written(&runs);
    assert!(page.contains(
        "Of the 80 images of all runs, 1 had no answer, 1 had more than one, and 1 had one that they were not recognised."
    ));
}

#[test]
fn runs_of_another_scenario_are_not_mixed_in() {
    let mut runs = at_speeds(&[1.0, 2.0], &[2.0, 3.0]);
    runs[0].scenario = "another".to_owned();
    let (page, _) = written(&runs);
    assert!(page.contains("workers (scenario another)") && page.contains("workers (scenario syntheti)"));
}

#[test]
fn a_study_of_one_factor_after_another_is_shown_factor_by_factor() {
    let whole = original();
    let shown: Vec<(String, usize)> =
        studies::studies(&whole).iter().map(|study| (study.name.clone(), study.cells.len())).collect();
    let expected = ["original: delay", "original: failure probability", "original: loss", "original: workers"];
    assert_eq!(
        shown,
        [
            (expected[0].to_owned(), 4),
            (expected[1].to_owned(), 4),
            (expected[2].to_owned(), 4),
            (expected[3].to_owned(), 3)
        ]
    );
}

#[test]
fn runs_in_which_nothing_fails_are_where_each_way_of_failing_begins() {
    let failing = [("failure_probability", numbers(&[0.5])), ("failure_mode", vec![word("crash"), word("slow")])];
    let whole = [("failure_probability", numbers(&[0.0])), ("failure_mode", vec![word("none")])];
    let runs = [study("failure", &failing, 3), study("failure", &whole, 3)].concat();
    let studies = studies::studies(&runs);
    let panels = studies[0].panels();
    let lines: Vec<(&str, usize)> =
        panels[0].lines.iter().map(|line| (line.name.as_str(), line.cells.iter().flatten().count())).collect();
    assert_eq!(lines, [("crash", 2), ("slow", 2)]);
    let compared = contrasts::contrasts(&studies[0]);
    assert_eq!(compared.len(), 2, "each way of failing against none");
}

/// Nothing varies; one run; words along the axis; more levels than lines can have; nothing was answered; nothing is known of the time.
#[test]
fn runs_of_any_shape_make_a_report() {
    let many = (0..12).map(|place| word(&format!("word-{place}"))).collect::<Vec<_>>();
    let mut nothing = study("nothing", &[("workers", numbers(&[1.0, 2.0]))], 2);
    for run in &mut nothing {
        run.images.clear();
        run.workers.clear();
        run.links.clear();
        run.elapsed_s = Some(0.0);
    }
    let mut unknown = study("unknown", &[("workers", numbers(&[1.0, 2.0]))], 2);
    unknown[0].cell.workers = 0;
    unknown.iter_mut().flat_map(|run| &mut run.images).for_each(|image| image.timing_ms.clear());
    let runs = [
        study("alone", &[], 1),
        study("words", &[("profile", vec![word("lan"), word("wifi")])], 1),
        study("many", &[("profile", many.clone()), ("congestion_control", many)], 1),
        nothing,
        unknown,
    ]
    .concat();
    let (page, figures) = written(&runs);
    let (body, _) = page.split_once("<script>").unwrap();
    for (name, text) in figures.iter().chain([&("page".to_owned(), body.to_owned())]) {
        assert!(!text.contains("NaN") && !text.contains(">inf"), "{name}");
    }
    for (name, figure) in &figures {
        roxmltree::Document::parse(figure).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn no_runs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = write(&[], folder.path()).unwrap_err();
    assert_eq!(error.to_string(), "write a report: there are no runs");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn names_are_text_and_never_markup() {
    let odd = "<script>alert(\"1\")</script> & 'more'\u{1}";
    let mut runs = study(odd, &[("workers", numbers(&[1.0, 2.0])), (odd, vec![word(odd), word("plain")])], 3);
    for run in &mut runs {
        run.workers[0].name = odd.to_owned();
        run.images[0].worker = Some(odd.to_owned());
        run.events.push(Event { at_s: 0.1, whom: odd.to_owned(), what: odd.to_owned() });
        run.machine.processor = odd.to_owned();
    }
    let (page, figures) = written(&runs);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    for (name, figure) in &figures {
        roxmltree::Document::parse(figure).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn machines_that_were_given_are_all_named() {
    let mut runs = study("study", &[("workers", numbers(&[1.0]))], 3);
    for run in &mut runs {
        let machine = MachineFacts { processor: "another processor".to_owned(), ..run.machine.clone() };
        run.hosts = vec![Host { name: "manager".to_owned(), ssh: "node".to_owned(), machine }];
    }
    let (page, _) = written(&runs);
    assert!(page.contains("given: client (") && page.contains(", manager (another processor, "), "{page}");
}

#[test]
fn the_page_fetches_nothing() {
    let (page, figures) = written(&every_study());
    for text in figures.iter().map(|(_, figure)| figure).chain([&page]) {
        let text = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for fetched in ["http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "xlink"] {
            assert!(!text.contains(fetched), "{fetched}");
        }
    }
}

#[test]
fn the_same_runs_make_the_same_report() {
    let runs = every_study();
    assert!(written(&runs) == written(&runs), "two reports of the same runs differ");
}

#[test]
fn three_thousand_runs_make_a_report_that_can_be_sent() {
    let modes = ["announce", "crash", "hang", "slow", "disconnect"].map(word).to_vec();
    let factors = [
        ("failure_probability", numbers(&[0.1, 0.3, 0.5])),
        ("failure_mode", modes),
        ("standby", numbers(&[0.0, 1.0])),
        ("images", numbers(&[5.0])),
    ];
    let runs = study("failure", &factors, 100);
    assert_eq!(runs.len(), 3000);
    let (page, _) = written(&runs);
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
}

#[test]
fn a_report_replaces_an_older_one_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    write(&at_speeds(&[1.0, 2.0], &[7.0, 8.0]), folder.path()).unwrap();
    let written = write(&at_speeds(&[1.0, 2.0], &[2.0, 3.0]), folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the page and the figures");
    assert_eq!(fs::read_dir(folder.path().join("figures")).unwrap().count(), written.figures.len());
    assert!(!fs::read_to_string(written.page).unwrap().contains("7.5 ±"));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, "").unwrap();
    let error = write(&at_speeds(&[1.0], &[2.0]), &file).unwrap_err();
    assert_eq!(error.to_string(), format!("write {}", file.join("figures").display()));
}

/// At 500 ms the original reached 6174356.875 of 16289293.86 bits a second.
#[test]
fn the_originals_numbers_stand_beside_ours_as_shares_of_its_own_baseline() {
    let runs = study("delay", &[("delay_ms", numbers(&[0.0, 100.0, 300.0, 500.0]))], 4);
    let (page, figures) = written(&runs);
    assert!(page.contains("<td class=\"number\">0.379 ["), "{}", 6_174_356.875 / 16_289_293.86);
    assert!(figures.iter().any(|(name, _)| name == "delay-original.svg"));
}

#[test]
fn a_study_without_the_originals_baseline_is_not_set_beside_it() {
    let (_, figures) = written(&study("delay", &[("delay_ms", numbers(&[100.0, 300.0]))], 4));
    assert!(!figures.iter().any(|(name, _)| name.contains("original")));
}
