//! Bytes in: reads the files of a request as they stream in, and looks at their headers. Decodes no pixel.

mod multipart;
mod name;
mod pace;

use std::{
    pin::pin,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use manyeyes_picture::{HEADER_BYTES, Header, Limits as PictureLimits, PictureError, read_header};

pub(crate) use self::multipart::Multipart as MultipartReader;
pub(crate) use self::multipart::boundary;
use self::{
    multipart::{Multipart, MultipartError},
    pace::{Pace, TooSlow},
};
use crate::{
    api::Problem,
    settings::Limits,
    store::{Content, NewImage, Spooled, Store, StoreError},
};

/// The form field whose parts are files.
const FIELD: &str = "file";

/// The files of one request, in its order.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Accepted or refused, each for itself.
    pub(crate) images: Vec<NewImage>,
    /// When the request's first byte arrived.
    pub(crate) began: Instant,
}

impl Upload {
    /// How many of its images were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.images.iter().filter(|image| matches!(image.content, Content::Accepted(_))).count()
    }
}

/// Why a request was refused as a whole. Nothing of it is kept: its sender was answered nothing about any file, and will
/// send all of them again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the request has no file: send parts named \"file\", or the file itself as the body")]
    NoFile,
    #[error("the body ended before it was whole")]
    Cut,
    #[error("the body cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("{0}")]
    TooLarge(&'static str),
    #[error("the request has more files than this address takes at a time, which is {0}")]
    TooMany(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the files of a request are packed.
pub(crate) enum Packing {
    /// `multipart/form-data` with this boundary.
    Multipart(String),
    /// The body is the file.
    Raw {
        /// Its name, where one was given.
        name: Option<String>,
        /// How many bytes were announced.
        bytes: Option<u64>,
    },
}

/// Reads all files of `body`, at most `most_files`, into the store's spools.
pub(crate) async fn receive<S, E>(
    store: &Store,
    limits: &Limits,
    packing: Packing,
    most_files: usize,
    body: S,
) -> Result<Upload, UploadError>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let began = (Instant::now(), SystemTime::now());
    let mut receiver = Receiver { store, limits, began: began.1, most_files, dropped_bytes: 0, images: Vec::new() };
    let body = pin!(paced(body, limits));
    let reading = async {
        match packing {
            Packing::Multipart(boundary) => receiver.multipart(Multipart::new(body, &boundary)).await,
            Packing::Raw { name, bytes } => receiver.raw(name, bytes, body).await,
        }
    };
    tokio::time::timeout(limits.upload_time, reading).await.map_err(|_| UploadError::TooSlow)??;
    if receiver.images.is_empty() {
        return Err(UploadError::NoFile);
    }
    Ok(Upload { images: receiver.images, began: began.0 })
}

/// `body`, ended with an error where it pauses too long, is too slow or becomes too large.
fn paced<S, E>(body: S, limits: &Limits) -> impl Stream<Item = Result<Bytes, UploadError>>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let (pause, most) = (limits.upload_pause, limits.request_bytes);
    let pace = Pace::new(limits.upload_rate, limits.upload_rate_over);
    futures_util::stream::unfold((Box::pin(body), 0_u64, pace), move |(mut body, mut bytes, mut pace)| async move {
        let asked = Instant::now();
        let chunk = match tokio::time::timeout(pause.min(pace.left()), body.next()).await {
            Err(_) => Err(UploadError::TooSlow),
            Ok(None) => return None,
            Ok(Some(Err(_))) => Err(UploadError::Cut),
            Ok(Some(Ok(chunk))) => {
                bytes += chunk.len() as u64;
                let in_time = pace.came(chunk.len() as u64, asked.elapsed()).map_err(|TooSlow| UploadError::TooSlow);
                let too_large = UploadError::TooLarge("the request is larger than allowed");
                in_time.and_then(|()| if bytes > most { Err(too_large) } else { Ok(chunk) })
            }
        };
        Some((chunk, (body, bytes, pace)))
    })
}

struct Receiver<'a> {
    store: &'a Store,
    limits: &'a Limits,
    began: SystemTime,
    most_files: usize,
    dropped_bytes: u64,
    images: Vec<NewImage>,
}

impl Receiver<'_> {
    async fn multipart<S>(&mut self, mut parts: Multipart<S>) -> Result<(), UploadError>
    where
        S: Stream<Item = Result<Bytes, UploadError>> + Unpin,
    {
        while let Some(part) = parts.next_part().await? {
            if part.field != FIELD {
                while let Some(chunk) = parts.chunk().await? {
                    self.drop_chunk(&chunk)?;
                }
                continue;
            }
            let mut file = self.begin(part.file_name, None)?;
            while let Some(chunk) = parts.chunk().await? {
                self.take(&mut file, chunk).await?;
            }
            self.end(file).await?;
        }
        Ok(())
    }

    async fn raw<S>(&mut self, name: Option<String>, bytes: Option<u64>, mut body: S) -> Result<(), UploadError>
    where
        S: Stream<Item = Result<Bytes, UploadError>> + Unpin,
    {
        let mut file = self.begin(name, bytes)?;
        while let Some(chunk) = body.next().await {
            self.take(&mut file, chunk?).await?;
        }
        self.end(file).await
    }

    fn begin(&self, given_name: Option<String>, announced: Option<u64>) -> Result<File, UploadError> {
        if self.images.len() == self.most_files {
            return Err(UploadError::TooMany(self.most_files));
        }
        let given = given_name.filter(|given| !given.is_empty());
        let given = given.as_deref().unwrap_or(name::UNNAMED);
        let has_bad_name = !name::is_usable(given);
        let began = if self.images.is_empty() { self.began } else { SystemTime::now() };
        let spool = (!has_bad_name).then(|| self.store.spool_of(announced));
        Ok(File { name: name::clean(given), has_bad_name, spool, bytes: 0, began })
    }

    async fn take(&mut self, file: &mut File, chunk: Bytes) -> Result<(), UploadError> {
        file.bytes += chunk.len() as u64;
        if file.bytes > self.limits.file_bytes {
            file.spool = None;
        }
        match &mut file.spool {
            Some(spool) => Ok(spool.write(chunk).await?),
            None => self.drop_chunk(&chunk),
        }
    }

    async fn end(&mut self, file: File) -> Result<(), UploadError> {
        let mut image = NewImage {
            name: file.name.clone(),
            media_type: None,
            width: None,
            height: None,
            began: file.began,
            content: Content::Rejected { problem: self.refusal(&file), bytes: file.bytes, sha256: None },
        };
        if let Some(spool) = file.spool {
            let spooled = spool.finish().await?;
            let (spooled, header) = self.header(spooled).await?;
            match header {
                Ok(header) => {
                    image.media_type = Some(header.format.media_type().to_owned());
                    image.width = Some(header.width);
                    image.height = Some(header.height);
                    image.content = Content::Accepted(spooled);
                }
                Err(error) => {
                    let problem = Problem { code: error.code().to_owned(), message: sentence(&error.to_string()) };
                    let sha256 = Some(spooled.sha256());
                    image.content = Content::Rejected { problem, bytes: file.bytes, sha256 };
                }
            }
        }
        self.images.push(image);
        Ok(())
    }

    /// Why a file without a spool is refused.
    fn refusal(&self, file: &File) -> Problem {
        let (code, message) = if file.has_bad_name {
            ("bad_name", "The file has no usable name.".to_owned())
        } else {
            ("too_large", format!("The file is larger than {} bytes.", self.limits.file_bytes))
        };
        Problem { code: code.to_owned(), message }
    }

    /// What the file's header says, within the limit of pixels.
    async fn header(&self, spooled: Spooled) -> Result<(Spooled, Result<Header, PictureError>), StoreError> {
        let whole = usize::try_from(spooled.bytes()).unwrap_or(usize::MAX);
        let header = read_header(&spooled.head(HEADER_BYTES.min(whole))?);
        let (spooled, header) = if header == Err(PictureError::Truncated) && whole > HEADER_BYTES {
            read_whole(spooled, whole).await?
        } else {
            (spooled, header)
        };
        let limits = PictureLimits { max_pixels: self.limits.pixels };
        Ok((spooled, header.and_then(|header| limits.check(&header).map(|()| header))))
    }

    fn drop_chunk(&mut self, chunk: &Bytes) -> Result<(), UploadError> {
        self.dropped_bytes += chunk.len() as u64;
        if self.dropped_bytes > self.limits.dropped_bytes {
            return Err(UploadError::TooLarge("too much of the request cannot be kept"));
        }
        Ok(())
    }
}

/// Looks for the header of a file in all of it, off the asynchronous threads: it may be large.
async fn read_whole(spooled: Spooled, bytes: usize) -> Result<(Spooled, Result<Header, PictureError>), StoreError> {
    let reading = tokio::task::spawn_blocking(move || {
        let header = read_header(&spooled.head(bytes)?);
        Ok((spooled, header))
    });
    reading.await.unwrap_or_else(|error| Err(StoreError::Disk(format!("read a header: {error}"))))
}

/// A file that is being received.
struct File {
    /// As it is to be shown.
    name: String,
    has_bad_name: bool,
    /// `None` once the file is known to be refused.
    spool: Option<crate::store::Spool>,
    bytes: u64,
    began: SystemTime,
}

/// Errors are lowercase fragments; a person reads sentences.
pub(crate) fn sentence(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if fragment.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

impl From<MultipartError<Self>> for UploadError {
    fn from(error: MultipartError<Self>) -> Self {
        match error {
            MultipartError::Body(error) => error,
            MultipartError::Cut => Self::Cut,
            MultipartError::Malformed(what) => Self::Malformed(what),
        }
    }
}
