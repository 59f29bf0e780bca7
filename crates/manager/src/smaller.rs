//! Smaller forms of images for models, made by a confined child. What has none goes as it is: a worker then says what is wrong
//! with it, if anything is.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use manyeyes_link::InputSize;
use manyeyes_picture::{Fit, confined::Wanted};
use manyeyes_protocol::id::ImageId;

use crate::{confined::Confined, remembered::Remembered, settings::SmallerSettings};

/// Makes and remembers smaller forms. Clones share it.
#[derive(Clone)]
pub(crate) struct SmallerForms {
    shared: Arc<Shared>,
}

struct Shared {
    /// Not those of thumbnails: people would wait for them behind a stream of these.
    children: Confined,
    /// For another delivery of the same image.
    remembered: Mutex<Remembered<Key>>,
}

/// Of which image, for which input.
type Key = (ImageId, InputSize);

/// What is to be sent.
pub(crate) struct SmallerForm {
    /// The smaller form, or the file itself where there is none.
    pub(crate) payload: Bytes,
    /// How long a child was at it; `None` where none was asked.
    pub(crate) took: Option<Duration>,
}

impl SmallerForms {
    /// `pixels` is the most that an image may have to be decoded.
    pub(crate) fn new(settings: SmallerSettings, pixels: u64) -> Self {
        let remembered = Mutex::new(Remembered::new(settings.remembered_bytes));
        Self { shared: Arc::new(Shared { children: Confined::new(settings.children, pixels), remembered }) }
    }

    /// What to send of an image to a model of this input.
    pub(crate) async fn of(&self, image: ImageId, input: InputSize, file: Bytes) -> SmallerForm {
        let key = (image, input);
        let remembered = self.remembered().get(key);
        if let Some(payload) = remembered {
            return SmallerForm { payload, took: None };
        }
        let turn = self.shared.children.turn().await;
        let began = Instant::now();
        let reply = turn.make(&file, Wanted::Smaller(fit(input))).await;
        let took = Some(began.elapsed());
        match reply {
            Ok(Ok(jpeg)) => {
                let payload = Bytes::from(jpeg);
                self.remembered().put(key, payload.clone());
                SmallerForm { payload, took }
            }
            Ok(Err(refusal)) => {
                tracing::debug!(%image, reason = refusal.message, "an image has no smaller form and goes as it is");
                SmallerForm { payload: file, took }
            }
            Err(error) => {
                tracing::warn!(%image, %error, "failed to make a smaller form of an image, which goes as it is");
                SmallerForm { payload: file, took }
            }
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered<Key>> {
        self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the worker will fit it.
fn fit(input: InputSize) -> Fit {
    match input {
        InputSize::Squashed(side) => Fit::Squash { width: side.into(), height: side.into() },
        InputSize::ShorterSide(side) => Fit::ShorterSide(side.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confined::tests::{COUNTS, in_shell};

    const INPUT: InputSize = InputSize::Squashed(256);

    fn forms(script: &str) -> SmallerForms {
        let settings = SmallerSettings { children: in_shell(script), ..SmallerSettings::new("/bin/sh".into()) };
        SmallerForms::new(settings, 1_000_000)
    }

    async fn of(forms: &SmallerForms, image: u64) -> Bytes {
        forms.of(ImageId(image), INPUT, Bytes::from_static(b"abc")).await.payload
    }

    #[tokio::test]
    async fn a_second_delivery_has_the_form_of_the_first_and_another_input_its_own() {
        let forms = forms(COUNTS);
        assert_eq!(of(&forms, 1).await, "001");
        let again = forms.of(ImageId(1), INPUT, Bytes::from_static(b"abc")).await;
        assert_eq!((again.payload, again.took), (Bytes::from_static(b"001"), None));
        let other = forms.of(ImageId(1), InputSize::ShorterSide(256), Bytes::from_static(b"abc")).await;
        assert_eq!(other.payload, "002");
    }

    #[tokio::test]
    async fn what_a_child_cannot_decode_goes_as_it_is() {
        let forms = forms("head -c QUESTION >/dev/null; printf '\\1\\0\\0\\0\\10empty\\nno'");
        assert_eq!(of(&forms, 1).await, "abc");
    }

    #[tokio::test]
    async fn a_decoder_that_dies_costs_no_more_than_that_the_image_goes_as_it_is() {
        let forms = forms("head -c QUESTION >/dev/null; [ -e \"$0\" ] && exit 1");
        for image in 1..=2 {
            assert_eq!(of(&forms, image).await, "abc");
        }
        let missing = SmallerSettings::new("/nowhere/manyeyes".into());
        assert_eq!(of(&SmallerForms::new(missing, 1), 1).await, "abc");
    }

    #[tokio::test]
    async fn a_decoder_that_hangs_costs_its_time_limit() {
        let mut settings = SmallerSettings::new("/bin/sh".into());
        settings.children = in_shell("exec cat >/dev/null");
        settings.children.time = Duration::from_millis(20);
        assert_eq!(of(&SmallerForms::new(settings, 1), 1).await, "abc");
    }
}
