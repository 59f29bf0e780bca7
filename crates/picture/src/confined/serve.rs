//! The child's part: what is asked is made, one after another.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::DerefMut;

use super::reply::Kind;
use super::{MAX_REPLY_BYTES, REQUEST_HEAD_BYTES, Refusal, ReplyHead, RequestHead, Wanted, greeting};
use crate::{PictureError, decode_fitted, smaller, thumbnail};

/// Greets, with what is `missing` of its confinement, and answers requests until the input ends. An error is the parent's fault or its
/// end: the child has nothing left to do.
pub fn serve(mut input: impl Read, mut output: impl Write, missing: &[String]) -> io::Result<()> {
    output.write_all(&greeting(missing))?;
    output.flush()?;
    while let Some(head) = read_head(&mut input)? {
        let mut file = vec![0; head.file_bytes as usize];
        input.read_exact(&mut file)?;
        let (head, body) = answer(&file, &head);
        output.write_all(&[&head.encode()[..], &body].concat())?;
        output.flush()?;
    }
    Ok(())
}

/// As [`serve()`], but the file of a request lies at the beginning of `area`, and there what was wanted is put. The area is looked at
/// between a request and its reply only.
pub fn serve_in(
    area: &mut impl DerefMut<Target = [u8]>,
    mut channel: impl Read + Write,
    missing: &[String],
) -> io::Result<()> {
    channel.write_all(&greeting(missing))?;
    while let Some(head) = read_head(&mut channel)? {
        let beyond = || io::Error::new(ErrorKind::InvalidData, "a file beyond what is shared");
        let file = area.get(..head.file_bytes as usize).ok_or_else(beyond)?;
        let (head, body) = answer(file, &head);
        if head.kind == Kind::Wanted {
            area.get_mut(..body.len()).ok_or_else(beyond)?.copy_from_slice(&body);
            channel.write_all(&head.encode())?;
        } else {
            channel.write_all(&[&head.encode()[..], &body].concat())?;
        }
    }
    Ok(())
}

fn answer(file: &[u8], request: &RequestHead) -> (ReplyHead, Vec<u8>) {
    let refused = |code: &str, message: &str| Refusal { code: code.to_owned(), message: message.to_owned() };
    let made = match make(file, request) {
        Ok(Some(bytes)) if bytes.len() <= MAX_REPLY_BYTES as usize => Ok(bytes),
        Ok(Some(_)) => Err(refused("too_large", "the picture is too large")),
        Ok(None) => Err(refused("not_smaller", "the picture would be no smaller than the file")),
        Err(error) => Err(error.into()),
    };
    let (kind, body) = match made {
        Ok(bytes) => (Kind::Wanted, bytes),
        Err(refusal) => (Kind::Refusal, refusal.encode()),
    };
    (ReplyHead { kind, body_bytes: u32::try_from(body.len()).expect("a reply is within its limit") }, body)
}

fn make(file: &[u8], request: &RequestHead) -> Result<Option<Vec<u8>>, PictureError> {
    let limits = &request.limits;
    match request.wanted {
        Wanted::Thumbnail(longest_side) => thumbnail(file, longest_side, limits).map(Some),
        Wanted::Smaller(fit) => smaller(file, fit, limits),
        Wanted::Square { fit, crop } => decode_fitted(file, fit, crop, limits).map(|square| Some(square.pixels)),
    }
}

/// `None` where the input ends between two requests.
fn read_head(input: &mut impl Read) -> io::Result<Option<RequestHead>> {
    let mut head = [0; REQUEST_HEAD_BYTES];
    let read = input.read(&mut head)?;
    if read == 0 {
        return Ok(None);
    }
    input.read_exact(&mut head[read..])?;
    RequestHead::decode(head).map(Some)
}
