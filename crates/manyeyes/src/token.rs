//! `manyeyes token`: who may come in, and as what.

#![expect(clippy::print_stderr, reason = "what is said of a token is not the token, which is the output")]

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use manyeyes_manager::fingerprint;
use manyeyes_manager::tokens::{Created, Entry, NewToken, Role, State, create, list, revoke};
use serde::Serialize;

use crate::cli;

pub(crate) fn run(command: cli::Token) -> anyhow::Result<()> {
    let now = SystemTime::now();
    match command {
        cli::Token::Create { folder, role, name, expires, json } => {
            let role = match role {
                cli::Role::Worker => Role::Worker,
                cli::Role::Uploader => Role::Uploader,
                cli::Role::Operator => Role::Operator,
            };
            let expires_in = match expires {
                cli::Lasting::For(time) => Some(time),
                cli::Lasting::UntilRevoked => None,
            };
            let made =
                create(&folder.data, NewToken { role, name, expires_in }, now).context("failed to make a token")?;
            let made = known(made, &folder.data)?;
            created(&made, &folder.data, json, now)
        }
        cli::Token::List { folder, json } => {
            let kept = list(&folder.data).context("failed to list the tokens")?;
            for why in &kept.unreadable {
                eprintln!("manyeyes: a token cannot be read, and lets nobody in: {why}");
            }
            listed(&kept.entries, json, now)
        }
        cli::Token::Revoke { folder, id } => {
            let entry = revoke(&folder.data, &id, now).context("failed to revoke the token")?;
            eprintln!("{} lets nobody in any more.", described(&entry));
            Ok(())
        }
    }
}

/// A worker's token names the key of the manager, as the one does that a manager prints.
fn known(made: Created, data: &Path) -> anyhow::Result<Created> {
    if made.entry.role != Role::Worker {
        return Ok(made);
    }
    let Created { secret, entry } = made;
    let secret = match fingerprint(data).context("failed to read the manager's key in the data folder")? {
        Some(fingerprint) => format!("{secret}.{fingerprint}"),
        None => {
            eprintln!("No manager has run on this folder yet: workers with this token take whoever answers for it.");
            secret
        }
    };
    Ok(Created { secret, entry })
}

fn created(Created { secret, entry }: &Created, data: &Path, json: bool, now: SystemTime) -> anyhow::Result<()> {
    if json {
        return print(&serde_json::to_string(&Line { token: Some(secret), ..Line::of(entry, now) })?);
    }
    let until = entry.expires().map_or("until it is revoked".to_owned(), |end| format!("until {}", Date(end)));
    eprintln!("{}, {until}. It is shown this once; to end it:", described(entry));
    eprintln!("  manyeyes token revoke --data {} {}", data.display(), entry.id);
    print(secret)
}

fn listed(entries: &[Entry], json: bool, now: SystemTime) -> anyhow::Result<()> {
    if json {
        return entries.iter().try_for_each(|entry| print(&serde_json::to_string(&Line::of(entry, now))?));
    }
    if entries.is_empty() {
        return print("There are no tokens but the owner's, which is in the folder's file token.");
    }
    let mut rows = vec![["ID", "ROLE", "STATE", "NAME"].map(str::to_owned)];
    rows.extend(
        entries
            .iter()
            .map(|entry| [entry.id.clone(), role(entry.role).to_owned(), state(entry, now), entry.name.clone()]),
    );
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    rows.iter().try_for_each(|[id, role, state, name]| {
        let [a, b, c] = widths;
        print(format!("{id:a$}  {role:b$}  {state:c$}  {name}").trim_end())
    })
}

/// What a program is told of a token. Times are seconds of Unix.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    role: &'static str,
    name: &'a str,
    made: u64,
    expires: Option<u64>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, now: SystemTime) -> Self {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let state = match entry.state(now) {
            State::Valid => "valid",
            State::Expired(_) => "expired",
            State::Revoked(_) => "revoked",
        };
        let (made, expires) = (seconds(entry.made()), entry.expires().map(seconds));
        Self { id: &entry.id, role: role(entry.role), name: &entry.name, made, expires, state, token: None }
    }
}

fn state(entry: &Entry, now: SystemTime) -> String {
    match (entry.state(now), entry.expires()) {
        (State::Valid, Some(end)) => format!("valid until {}", Date(end)),
        (State::Valid, None) => "valid".to_owned(),
        (State::Expired(at), _) => format!("expired on {}", Date(at)),
        (State::Revoked(at), _) => format!("revoked on {}", Date(at)),
    }
}

fn described(entry: &Entry) -> String {
    let named = if entry.name.is_empty() { String::new() } else { format!(" ({})", entry.name) };
    format!("Token {} of role {}{named}", entry.id, role(entry.role))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Uploader => "uploader",
        Role::Operator => "operator",
    }
}

/// A moment, as HTTP writes it.
struct Date(SystemTime);

impl Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&httpdate::fmt_http_date(self.0))
    }
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
