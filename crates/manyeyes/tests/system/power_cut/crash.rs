//! Opens what a crash has left and holds it against what was told before the crash.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use manyeyes_manager::store::{Content, ImageRow, NewImage, Store, StoreSettings, check};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::disk::Image;
use super::recording::{Told, hex};

/// What the outside knows at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    batches: BTreeSet<String>,
    /// By batch and number: as it was answered or last shown.
    images: BTreeMap<(String, String), Value>,
    gone: BTreeSet<(String, Option<String>)>,
}

impl Known {
    pub(crate) fn hear(&mut self, told: &Told) {
        match told.clone() {
            Told::Batch(batch) => drop(self.batches.insert(batch)),
            Told::Image { batch, image } | Told::Ended { batch, image } => {
                let id = image["id"].as_str().expect("an image has an id").to_owned();
                let deleted = self.gone.contains(&(batch.clone(), Some(id.clone())));
                if self.batches.contains(&batch) && !deleted {
                    // Of a repeated upload the image may be told as it was before its ending.
                    let at = self.images.entry((batch, id)).or_insert(Value::Null);
                    if at.is_null() || image["state"] != "waiting" && image["state"] != "assigned" {
                        *at = image;
                    }
                }
            }
            Told::MayGo { batch, image: None } => {
                self.images.retain(|(of, _), _| *of != batch);
                self.batches.remove(&batch);
            }
            Told::MayGo { batch, image: Some(image) } => drop(self.images.remove(&(batch, image))),
            Told::Gone { batch, image } => drop(self.gone.insert((batch, image))),
        }
    }
}

/// What does not hold, if anything. `sent` are the digests of all files that there are.
pub(crate) fn violation(image: &Image, known: &Known, sent: &HashSet<String>, folder: &Path) -> Option<String> {
    lay_out(image, folder);
    let data = folder.join("data");
    let settings = StoreSettings { reserve_bytes: 1, ..StoreSettings::default() };
    let store = match Store::open(&data, settings) {
        Ok(store) => store,
        Err(error) => return Some(format!("the store does not open: {error}")),
    };
    let held = holds(&store, known, sent).and_then(|()| goes_on(&store));
    let looked = check(&data);
    store.close();
    match (held, looked) {
        (Err(violation), _) => Some(violation),
        (Ok(()), Ok(report)) if report.is_whole() => None,
        (Ok(()), Ok(report)) => Some(format!("the check finds: {:?}", report.told)),
        (Ok(()), Err(error)) => Some(format!("the check fails: {error}")),
    }
}

fn holds(store: &Store, known: &Known, sent: &HashSet<String>) -> Result<(), String> {
    let error = |error: manyeyes_manager::store::StoreError| error.to_string();
    for (batch, image) in &known.gone {
        let there = store.batch(batch).map_err(error)?;
        let rows =
            there.as_ref().map_or(Ok(Vec::new()), |key| store.page(key.number, None, u32::MAX)).map_err(error)?;
        if image.as_ref().map_or(there.is_some(), |image| rows.iter().any(|row| row.id.to_string() == *image)) {
            return Err(format!("what was deleted is back: {batch} {image:?}"));
        }
    }
    let mut rows = BTreeMap::new();
    for batch in &known.batches {
        let key = store.batch(batch).map_err(error)?.ok_or_else(|| format!("batch {batch} is lost"))?;
        let of_batch = store.page(key.number, None, u32::MAX).map_err(error)?;
        let counts = store.facts(key.number).map_err(error)?.counts;
        if counts.total as usize != of_batch.len() {
            return Err(format!("batch {batch} counts {} of {} images", counts.total, of_batch.len()));
        }
        let mut digests = HashSet::new();
        for row in of_batch {
            invented(store, &row, sent)?;
            let is_refused = row.media_type.is_none();
            if !is_refused && !digests.insert(row.sha256) {
                return Err(format!("image {} is there twice", row.id));
            }
            rows.insert((batch.clone(), row.id.to_string()), row);
        }
    }
    for (at, image) in &known.images {
        let row = rows.get(at).ok_or_else(|| format!("image {at:?} is lost: {image}"))?;
        let now = shown(row);
        let state = image["state"].as_str().unwrap_or_default();
        let fields: &[&str] = match state {
            "waiting" | "assigned" => &["name", "sha256", "bytes"],
            _ => &["name", "sha256", "bytes", "state", "labels", "worker", "model", "attempts", "seq", "error"],
        };
        for field in fields {
            if now[*field] != image[*field] {
                return Err(format!("image {at:?} was told with {field} {}, and has {}", image[*field], now[*field]));
            }
        }
    }
    Ok(())
}

/// Whether there is anything that nobody has sent or answered. The bytes of what is kept are read.
fn invented(store: &Store, row: &ImageRow, sent: &HashSet<String>) -> Result<(), String> {
    let digest = hex(&row.sha256.unwrap_or_default());
    if !sent.contains(&digest) {
        return Err(format!("image {} was never sent", row.id));
    }
    if row.media_type.is_some() {
        let bytes = store.payload(row.id).map_err(|error| error.to_string())?;
        if hex(&Sha256::digest(&bytes)) != digest {
            return Err(format!("image {} has other bytes", row.id));
        }
    }
    match row.labels.first() {
        Some(label) if label.name != format!("sha256:{}", &digest[..16]) => {
            Err(format!("image {} has the answer {}", row.id, label.name))
        }
        _ => Ok(()),
    }
}

/// A further upload is taken, and is there.
fn goes_on(store: &Store) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let kept = runtime.block_on(async {
        let batch = store.create_batch().await?;
        let mut spool = store.spool();
        spool.write(b"one more".as_slice().into()).await?;
        let image = NewImage {
            name: "more".to_owned(),
            media_type: Some("image/bmp".to_owned()),
            width: None,
            height: None,
            began: std::time::SystemTime::now(),
            content: Content::Accepted(spool.finish().await?),
        };
        let keeping = store.keep(batch.number, vec![image], None)?;
        keeping.durable.await?;
        store.payload(keeping.images[0].id)
    });
    match kept {
        Ok(bytes) if bytes == b"one more".as_slice() => Ok(()),
        other => Err(format!("a further upload is not taken: {other:?}")),
    }
}

fn shown(row: &ImageRow) -> Value {
    json!({
        "name": row.name,
        "sha256": row.sha256.map(|digest| hex(&digest)),
        "bytes": row.bytes,
        "state": row.state,
        "labels": row.labels,
        "worker": row.worker,
        "model": row.model,
        "attempts": row.attempts,
        "seq": row.seq,
        "error": row.problem,
    })
}

fn lay_out(image: &Image, folder: &Path) {
    for (path, bytes) in image {
        let path = folder.join(&path[1..]);
        match bytes {
            None => fs::create_dir_all(path).expect("a folder can be made"),
            Some(bytes) => fs::write(path, bytes).expect("a file can be written"),
        }
    }
}
