//! Small pictures of images for people, made by a confined child and remembered.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use manyeyes_picture::confined::Wanted;
use manyeyes_protocol::id::ImageId;

use crate::{
    admission::{Client, Full, Places},
    confined::Confined,
    remembered::Remembered,
    settings::ThumbnailSettings,
};

/// The longest side of a small picture in pixels: sharp on a card of 160 points, on a screen with two pixels a point.
const LONGEST_SIDE: u32 = 320;

/// Makes and remembers small pictures. Clones share it.
#[derive(Clone)]
pub(crate) struct Thumbnails {
    shared: Arc<Shared>,
}

struct Shared {
    /// A place for each who waits or is served.
    places: Places,
    children: Confined,
    remembered: Mutex<Remembered<ImageId>>,
}

/// Why there is no small picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThumbnailError<E> {
    /// More wait than may.
    #[error("too many small pictures are asked for at the same time")]
    Busy(Full),
    /// The file could not be read from the store.
    #[error(transparent)]
    Unread(E),
    /// The child says that the image has none.
    #[error("there is no small picture of it: {0}")]
    Refused(String),
    /// The child failed.
    #[error("failed to make a small picture")]
    Broken(#[source] io::Error),
}

impl Thumbnails {
    /// `pixels` is the most that an image may have to be decoded.
    pub(crate) fn new(settings: ThumbnailSettings, pixels: u64) -> Self {
        let shared = Shared {
            places: Places::new(settings.children.processes + settings.waiting),
            remembered: Mutex::new(Remembered::new(settings.remembered_bytes)),
            children: Confined::new(settings.children, pixels),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The small picture of an image, as a JPEG. `file` is read only where it is not remembered.
    pub(crate) async fn of<E>(
        &self,
        image: ImageId,
        client: Client,
        file: impl Future<Output = Result<Bytes, E>>,
    ) -> Result<Bytes, ThumbnailError<E>> {
        if let Some(jpeg) = self.remembered().get(image) {
            return Ok(jpeg);
        }
        let shared = &self.shared;
        let _place = shared.places.take(client).map_err(ThumbnailError::Busy)?;
        let turn = shared.children.turn().await;
        let file = file.await.map_err(ThumbnailError::Unread)?;
        match turn.make(&file, Wanted::Thumbnail(LONGEST_SIDE)).await.map_err(ThumbnailError::Broken)? {
            Ok(jpeg) => {
                let jpeg = Bytes::from(jpeg);
                self.remembered().put(image, jpeg.clone());
                Ok(jpeg)
            }
            Err(refusal) => Err(ThumbnailError::Refused(refusal.message)),
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered<ImageId>> {
        self.shared.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::confined::tests::{COUNTS, in_shell};

    async fn ask(thumbnails: &Thumbnails, image: u64) -> Result<Bytes, ThumbnailError<Infallible>> {
        let client = Client::at([127, 0, 0, 1].into());
        thumbnails.of(ImageId(image), client, async { Ok(Bytes::from_static(b"abc")) }).await
    }

    fn thumbnails(script: &str) -> Thumbnails {
        let settings = ThumbnailSettings { children: in_shell(script), ..ThumbnailSettings::new("/bin/sh".into()) };
        Thumbnails::new(settings, 1_000_000)
    }

    #[tokio::test]
    async fn what_was_made_is_remembered() {
        let thumbnails = thumbnails(COUNTS);
        assert_eq!(ask(&thumbnails, 1).await.unwrap(), "001");
        assert_eq!(ask(&thumbnails, 2).await.unwrap(), "002");
        assert_eq!(ask(&thumbnails, 1).await.unwrap(), "001");
    }

    #[tokio::test]
    async fn a_refusal_is_passed_on() {
        let thumbnails = thumbnails("head -c QUESTION >/dev/null; printf '\\1\\0\\0\\0\\10empty\\nno'");
        assert!(matches!(ask(&thumbnails, 1).await, Err(ThumbnailError::Refused(why)) if why == "no"));
    }
}
