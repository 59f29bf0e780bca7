//! Which cell is meant.

use super::*;

const TWO: &str = "[fixed]\nservice_ms = 1\nrate_bits_per_s = 1e8\n[factors]\ndelay_ms = [0, 500]\nloss = [0, 0.15]\n";

fn chosen(rest: &str, choice: &str) -> Result<Written, Refused> {
    let choice = if choice.is_empty() { Choice::default() } else { choice.parse()? };
    request(&study(rest), &choice, &Options::default())
}

#[test]
fn a_cell_is_chosen_by_its_levels() {
    let xml = chosen(TWO, "delay_ms=500, loss=0.15").unwrap().xml;
    assert!(
        xml.contains("latency=\"500\" packet_loss=\"0.15\"") && xml.contains("cell delay_ms=500,loss=0.15: Why?"),
        "{xml}"
    );
    assert_eq!(
        chosen(TWO, "loss=0.150,delay_ms=500.0").unwrap().xml,
        xml,
        "a number is a number however it is written"
    );
}

#[test]
fn a_choice_that_leaves_it_open_or_finds_nothing_names_the_choices() {
    let four = "delay_ms=0,loss=0; delay_ms=0,loss=0.15; delay_ms=500,loss=0; delay_ms=500,loss=0.15";
    let table = [
        ("", format!("say which with --cell: {four}")),
        ("loss=0.15", "say which with --cell: delay_ms=0,loss=0.15; delay_ms=500,loss=0.15".to_owned()),
        ("delay_ms=7", format!("find a cell with delay_ms=7: {four}")),
        ("delay_ms=much", format!("find a cell with delay_ms=much: {four}")),
        ("workers=3", format!("choose by workers, which the study does not vary: {four}")),
        ("wokers=3", "there is no such factor; there are workers, images".to_owned()),
        ("500", "read \"500\" as FACTOR=LEVEL, such as delay_ms=500".to_owned()),
        ("delay_ms=500,", "read \"\" as FACTOR=LEVEL".to_owned()),
    ];
    for (choice, words) in table {
        let refused = chosen(TWO, choice).expect_err(choice).to_string();
        assert!(refused.contains(&words), "{choice}: {refused}");
    }
    let many = "[fixed]\nservice_ms = 1\n[factors]\nworkers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]\n";
    let refused = chosen(many, "").unwrap_err().to_string();
    assert!(refused.ends_with("workers=11; workers=12, and 2 more"), "{refused}");
    let refused = chosen("[fixed]\nservice_ms = 1\n", "delay_ms=1").unwrap_err().to_string();
    assert!(refused.ends_with("it has one cell only"), "{refused}");
}

/// Images are no matter of machines; neither are ways of failing, but what is told of each is another.
#[test]
fn cells_of_the_same_machines_links_and_departures_need_no_choice() {
    let xml = chosen("[fixed]\nservice_ms = 1\n[factors]\nimages = [1, 5, 20]\n", "").unwrap().xml;
    assert!(xml.contains("cells images=1; images=5; images=20: Why?"), "{xml}");
    let failing =
        "[fixed]\nservice_ms = 1\nfailure_probability = 0.5\n[factors]\nfailure_mode = [\"crash\", \"hang\"]\n";
    assert!(chosen(failing, "").unwrap_err().to_string().contains("failure_mode=crash; failure_mode=hang"));
    assert!(chosen(failing, "failure_mode=hang").unwrap().xml.contains("(\"hang\")"));
}
