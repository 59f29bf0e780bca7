//! The page's types are generated from these, and this test notices when they have drifted apart.

use std::{fs, path::PathBuf};

use ts_rs::{Config, TS};

use super::*;

/// Set to anything, it writes `web/src/protocol.ts` anew instead of comparing.
const UPDATE: &str = "UPDATE_TYPES";

#[test]
fn the_pages_types_are_those_of_the_api() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../web/src/protocol.ts");
    let generated = typescript();
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(file.parent().expect("the file is in a folder")).unwrap();
        fs::write(&file, &generated).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "web/src/protocol.ts is not what api.rs says: run `{UPDATE}=1 cargo test -p manyeyes-manager the_pages_types`"
    );
}

/// The whole of `web/src/protocol.ts`.
fn typescript() -> String {
    let config = Config::default();
    let mut text = format!(
        "// Generated from crates/manager/src/api.rs: do not edit. `{UPDATE}=1 cargo test -p manyeyes-manager \
         the_pages_types` writes it anew.\n"
    );
    let mut add = |docs: Option<String>, declaration: String| {
        text.push('\n');
        if let Some(docs) = docs {
            text.push_str(docs.trim_end());
            text.push('\n');
        }
        text.push_str(&format!("export {declaration}\n"));
    };
    macro_rules! declare {
        ($($name:ty),* $(,)?) => {$( add(<$name>::docs(), <$name>::decl(&config)); )*};
    }
    declare!(
        Image,
        ImageState,
        Label,
        Problem,
        ErrorBody,
        LogIn,
        Session,
        SessionRole,
        Timing,
        Wire,
        Counts,
        NewBatch,
        Uploaded,
        Known,
        Selection,
        SelectionDone,
        BatchPage,
        Throughput,
        Worker,
        WorkerState,
        Workers,
        Model,
        Event,
        Status,
        Queue,
        Happening,
        HappeningKind,
    );
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
