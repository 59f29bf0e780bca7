//! Promises of [`super`]. What needs no real network is made here; the rest reads `MANYEYES_MODELS`.

use super::*;
use crate::onnx::Shape;
use crate::pull::{PullError, PullFailure};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    path
}

fn fault(lookup: &Lookup) -> String {
    Model::find(lookup).err().expect("nothing usable").to_string()
}

fn named(path: &Path) -> Lookup {
    Lookup { named: Some(path.into()), ..Lookup::default() }
}

fn interface(input: &[Option<u64>], output: &[Option<u64>]) -> Interface {
    Interface {
        input: "data".to_owned(),
        input_shape: Shape(input.to_vec()),
        output: "prob".to_owned(),
        output_shape: Shape(output.to_vec()),
    }
}

fn check_against_googlenet(interface: &Interface) -> Result<(), String> {
    check(interface, &manifest()[0].input, &Labels::imagenet())
}

#[test]
fn no_model_at_all_names_every_place_looked_in() {
    let (first, second, cache) = (folder(), folder(), folder());
    let folders = vec![first.path().to_owned(), second.path().to_owned()];
    let message = fault(&Lookup { named: None, folders, cache: Some(cache.path().to_owned()) });
    for folder in [&first, &second] {
        for name in ["googlenet.onnx", "googlenet-12.onnx"] {
            let place = folder.path().join(name);
            assert!(message.contains(&format!("{}: not there", place.display())), "{message}");
        }
    }
    assert!(message.contains(&cache.path().join("googlenet-12.onnx").display().to_string()), "{message}");
    assert!(message.contains("manyeyes model pull"), "{message}");
}

#[test]
fn a_file_in_the_cache_counts_only_with_its_published_digest() {
    let cache = folder();
    write(&cache, "googlenet-12.onnx", "half a download");
    let message = fault(&Lookup { cache: Some(cache.path().to_owned()), ..Lookup::default() });
    assert!(message.contains("damaged: not the published digest"), "{message}");
}

#[test]
fn a_path_that_is_not_there_is_an_error_that_names_it() {
    let message = fault(&named(Path::new("/nowhere/net.onnx")));
    assert!(message.starts_with("cannot read the model /nowhere/net.onnx"), "{message}");
}

#[test]
fn a_file_that_is_no_model_is_an_error_that_names_it() {
    let folder = folder();
    let path = write(&folder, "googlenet.onnx", "this is not a model");
    let message = fault(&named(&path));
    assert!(message.contains("googlenet.onnx is not usable as a model: not an ONNX model"), "{message}");
}

#[test]
fn a_network_whose_input_is_not_one_picture_is_refused_with_both_shapes() {
    let output = [Some(1), Some(1000)];
    let fits = |input: &[Option<u64>]| check_against_googlenet(&interface(input, &output));
    assert_eq!(fits(&[None, Some(3), Some(224), Some(224)]), Ok(()));
    let flat = fits(&[Some(1), Some(784)]).expect_err("rank 2");
    assert_eq!(flat, "its input `data` is [1, 784], [1, 3, 224, 224] is needed");
    assert!(fits(&[Some(1), Some(1), Some(224), Some(224)]).is_err(), "one channel");
    assert!(fits(&[Some(1), Some(3), Some(299), Some(299)]).is_err(), "another size");
    assert!(fits(&[Some(8), Some(3), Some(224), Some(224)]).is_err(), "a fixed batch of eight");
}

#[test]
fn a_network_whose_output_is_not_one_number_a_label_is_refused() {
    let input = [Some(1), Some(3), Some(224), Some(224)];
    let fits = |output: &[Option<u64>]| check_against_googlenet(&interface(&input, output));
    assert_eq!(fits(&[Some(1), Some(1000), Some(1), Some(1)]), Ok(()));
    assert_eq!(fits(&[]), Ok(()), "the file says nothing: the first run will tell");
    let ten = fits(&[None, Some(10)]).expect_err("ten classes");
    assert_eq!(ten, "its output `prob` is [?, 10], there are 1000 labels");
}

/// The folder of models, or the line that a script counts.
fn models(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MANYEYES_MODELS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("NOT RUN without MANYEYES_MODELS: {test}");
    }
    folder
}

#[test]
fn a_file_of_ones_own_is_used_by_its_name_and_called_unverified() {
    let Some(folder) = models("a_file_of_ones_own_is_used_by_its_name_and_called_unverified") else {
        return;
    };
    let model = Model::find(&Lookup { folders: vec![folder.clone()], ..Lookup::default() }).expect("found");
    assert_eq!((model.name.as_str(), model.verified), ("googlenet", false));
    let notice = model.notice.expect("said");
    assert_eq!(notice, "googlenet.onnx is not a published file (unverified); used as googlenet by its name");
    let squeezenet = Lookup { named: Some("squeezenet1.1".into()), folders: vec![folder], cache: None };
    let model = Model::find(&squeezenet).expect("found");
    assert_eq!(model.input.resize, crate::manifest::Resize::ShorterSide);
}

/// A network that is like no published one and like no other of these: the built-in one with a word in it.
fn network_with(word: u8) -> Vec<u8> {
    // The `doc_string` of an ONNX model is its field 6.
    [builtin::ONNX, &[6 << 3 | 2, 1, word]].concat()
}

/// How to feed it.
const DESCRIPTION: &str = "output = \"logits\"\nlabels = \"mine.txt\"\n[input]\nresize = \"shorter-side\"\n\
                           size = 32\ncrop = 32\norder = \"rgb\"\nmean = [123, 117, 104]\n";

/// A model of the user's own: network, description and labels.
fn write_own(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    write(folder, &format!("{name}.toml"), DESCRIPTION);
    write(folder, "mine.txt", (0..10).map(|class| format!("class {class}\n")).collect::<String>());
    write(folder, &format!("{name}.onnx"), network_with(b'a'))
}

#[test]
fn a_network_of_an_unknown_name_needs_a_description_beside_it() {
    let folder = folder();
    let path = write(&folder, "mine.onnx", network_with(b'a'));
    let message = fault(&named(&path));
    assert!(message.contains("how to feed") && message.contains("mine.toml"), "{message}");

    write_own(&folder, "mine");
    let model = Model::find(&named(&path)).expect("described");
    assert_eq!((model.name.as_str(), model.labels.name(7)), ("mine", Some("class 7")));
    assert!(!model.verified);
    assert_eq!(model.notice.as_deref(), Some("mine is used as mine.toml says (unverified)"));

    write(&folder, "mine.txt", "cat\ndog\n");
    let message = fault(&named(&path));
    assert!(message.contains("there are 2 labels"), "{message}");

    write(&folder, "mine.toml", DESCRIPTION.replace("rgb", "gbr"));
    let message = fault(&named(&path));
    assert!(message.contains("mine.toml") && message.contains("gbr"), "{message}");
}

#[test]
fn a_file_that_changes_after_it_was_found_is_not_run() {
    let folder = folder();
    let path = write_own(&folder, "mine");
    let model = Model::find(&named(&path)).expect("found");
    assert_eq!(*model.onnx().expect("unchanged"), network_with(b'a'));
    write(&folder, "mine.onnx", network_with(b'b'));
    let error = model.onnx().expect_err("changed").to_string();
    assert!(error.contains("mine.onnx has changed"), "{error}");
}

#[test]
fn the_first_folder_that_has_the_default_model_wins() {
    let (first, second, cache) = (folder(), folder(), folder());
    let folders = vec![first.path().to_owned(), second.path().to_owned()];
    let lookup = Lookup { named: None, folders, cache: Some(cache.path().to_owned()) };
    let own = write_own(&second, "googlenet");
    assert_eq!(*Model::find(&lookup).expect("found").source(), Source::File(own));
    let own = write_own(&first, "googlenet");
    assert_eq!(*Model::find(&lookup).expect("found").source(), Source::File(own));
}

/// What serves where `lookup` finds nothing.
fn in_place(lookup: &Lookup) -> Result<Model, ModelError> {
    Model::in_place_of_default(lookup, Model::find(lookup).err().expect("nothing usable"))
}

#[test]
fn where_the_default_model_is_nowhere_the_built_in_one_serves_and_says_why() {
    let cache = folder();
    let lookup = Lookup { cache: Some(cache.path().to_owned()), ..Lookup::default() };
    let model = in_place(&lookup).expect("it serves");
    assert_eq!((model.name.as_str(), model.verified, model.source()), ("builtin", true, &Source::Builtin));
    assert_eq!((model.labels().len(), model.labels().name(3)), (10, Some("cat")));
    let notice = model.notice.expect("said");
    assert!(notice.contains("Why: googlenet is not on this machine."), "{notice}");

    write(&cache, "googlenet-12.onnx", "half a download");
    let notice = in_place(&lookup).expect("it serves").notice.expect("said");
    assert!(notice.contains("Why: googlenet is damaged in the cache."), "{notice}");
    assert!(!notice.contains(cache.path().to_str().expect("UTF-8")), "{notice}");
}

#[test]
fn the_notice_has_the_reason_of_a_download_without_addresses_and_folders() {
    let failed = |reached, reason: &str| {
        let source = "https://mirror.example/secret/googlenet-12.onnx".to_owned();
        let failures = vec![PullFailure { source, reached, reason: reason.to_owned() }];
        let source = PullError::AllSources { failures };
        let error = ModelError::Pull { name: "googlenet".to_owned(), places: Vec::new(), source };
        Model::in_place_of_default(&Lookup::default(), error).expect("it serves").notice.expect("said")
    };
    let notice = failed(false, "host not found");
    assert!(notice.contains("Why: googlenet is not on this machine; no network: host not found."), "{notice}");
    assert!(!notice.contains("mirror.example"), "{notice}");
    let notice = failed(true, "it answers 403 Forbidden");
    assert!(notice.contains("; no source has it: it answers 403 Forbidden."), "{notice}");
}

#[test]
fn nothing_but_an_absent_default_model_is_replaced() {
    let folder = folder();
    let asked_for = Lookup { named: Some("mobilenetv2-12".into()), ..Lookup::default() };
    assert!(matches!(in_place(&asked_for), Err(ModelError::NotFound { .. })));
    let by_name = Lookup { named: Some("googlenet".into()), ..Lookup::default() };
    assert!(matches!(in_place(&by_name), Err(ModelError::NotFound { .. })));
    assert!(matches!(in_place(&named(Path::new("/nowhere/net.onnx"))), Err(ModelError::Unreadable { .. })));
    write(&folder, "googlenet.onnx", "this is not a model");
    let broken = Lookup { folders: vec![folder.path().to_owned()], ..Lookup::default() };
    assert!(matches!(in_place(&broken), Err(ModelError::NotAModel { .. })));
}

#[test]
fn the_built_in_model_is_had_by_its_name_whatever_a_folder_has() {
    let folder = folder();
    write(&folder, "builtin.onnx", "this is not a model");
    let folders = vec![folder.path().to_owned()];
    let model = Model::find(&Lookup { named: Some("builtin".into()), folders, cache: None }).expect("always there");
    assert_eq!(model.source(), &Source::Builtin);
    assert!(model.notice.expect("said").contains("as it was asked for"));
}

#[test]
fn a_copy_of_the_built_in_model_is_known_by_its_digest() {
    let folder = folder();
    let path = write(&folder, "copy.onnx", builtin::ONNX);
    let model = Model::find(&named(&path)).expect("known");
    assert_eq!((model.name.as_str(), model.verified, model.notice), ("builtin", true, None));
}

/// The names of the catalogue's models that are on this machine.
fn models_here(lookup: &Lookup) -> Vec<&'static str> {
    let rows = catalogue(lookup);
    assert_eq!(rows.len(), manifest().len());
    rows.iter().filter(|row| row.found.is_ok()).map(|row| row.entry.name.as_str()).collect()
}

#[test]
fn the_built_in_model_is_on_every_machine() {
    assert_eq!(models_here(&Lookup::default()), ["builtin"]);
}

#[test]
fn the_catalogue_has_every_known_model_and_says_which_are_here() {
    let Some(models) = models("the_catalogue_has_every_known_model_and_says_which_are_here") else {
        return;
    };
    let here = models_here(&Lookup { folders: vec![models], ..Lookup::default() });
    assert_eq!(here, ["googlenet", "googlenet-int8", "squeezenet1.1", "builtin"]);
}
