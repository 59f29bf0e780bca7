//! The rules of the books: what a change means for an image in the state in which it is. Plain functions: the writer
//! applies them to rows that it reads and writes, the simulator to rows that it keeps in memory.

use super::row::{AnsweringModel, Ending, ImageRow};
use crate::api::{ImageState, Timing};

/// What an ending did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The image has ended with it.
    Now,
    /// The image had ended before, or the ending is of an earlier run: nothing has changed.
    Not,
    /// The answer is of another model than this, which answers the batch: nothing has changed.
    OtherModel(AnsweringModel),
}

/// Ends an image. The first ending of its present run wins.
///
/// The first answer of a batch decides by which model it is answered, and so does that to an image that was run again:
/// whoever runs one again wants the model that is in use now, for the rest of the batch too.
pub fn end(row: &mut ImageRow, of_batch: &mut Option<AnsweringModel>, ending: Ending) -> Ended {
    let is_of_this_run = match &ending {
        Ending::Recognised { run, .. } | Ending::Failed { run, .. } => *run == row.run,
        Ending::Cancelled { .. } => true,
    };
    if row.state != ImageState::Waiting || !is_of_this_run {
        return Ended::Not;
    }
    match ending {
        Ending::Recognised { run: _, model, labels, worker, attempts, timing, wire, form_bytes } => {
            if let Some(model) = &model {
                match of_batch {
                    Some(other) if other.digest != model.digest && row.run == 0 => {
                        return Ended::OtherModel(other.clone());
                    }
                    Some(same) if same.digest == model.digest => {}
                    Some(_) | None => *of_batch = Some(model.clone()),
                }
            }
            row.state = ImageState::Recognised;
            row.labels = labels;
            row.model = model.map(|model| model.name);
            row.worker = Some(worker);
            (row.attempts, row.timing, row.wire, row.form_bytes) = (attempts, timing, wire, form_bytes);
        }
        Ending::Failed { run: _, problem, worker, attempts, timing } => {
            row.state = ImageState::Failed;
            row.problem = Some(problem);
            row.worker = worker;
            (row.attempts, row.timing) = (attempts, timing);
        }
        Ending::Cancelled { attempts } => {
            row.state = ImageState::Cancelled;
            row.attempts = attempts;
        }
    }
    Ended::Now
}

/// Whether an image ended in this run by that worker's word. What a person did to it since, or another worker's answer to a
/// later run, is not.
pub fn is_word_of(row: &ImageRow, run: u32, worker: &str) -> bool {
    let by_its_word = matches!(row.state, ImageState::Recognised | ImageState::Failed);
    by_its_word && row.run == run && row.worker.as_deref() == Some(worker)
}

/// Takes an image that has ended back to waiting, where its bytes are kept: its next run. Says whether it did. Who was
/// blamed in the run before is to be forgotten with it; deliveries go on counting.
pub fn reopen(row: &mut ImageRow, bytes_are_kept: bool) -> bool {
    let has_ended = matches!(row.state, ImageState::Recognised | ImageState::Failed | ImageState::Cancelled);
    if !has_ended || !bytes_are_kept {
        return false;
    }
    row.state = ImageState::Waiting;
    row.run = row.run.saturating_add(1);
    (row.labels, row.model) = (Vec::new(), None);
    (row.worker, row.problem) = (None, None);
    (row.timing, row.wire, row.form_bytes) = (Timing::default(), None, None);
    true
}
