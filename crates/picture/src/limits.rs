//! What a picture may cost.

use crate::{Header, PictureError};

/// Pixels of the largest picture decoded by default: 100 megapixels, above every phone's and nearly every camera's.
/// At 3 bytes a pixel it bounds one decoded picture to 300 MB.
pub const DEFAULT_MAX_PIXELS: u64 = 100_000_000;

/// What decoding one picture may cost. Checked from the header, before anything is allocated for pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width times height.
    pub max_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: DEFAULT_MAX_PIXELS }
    }
}

impl Limits {
    /// Refuses a picture whose header claims more pixels than allowed.
    pub fn check(&self, header: &Header) -> Result<(), PictureError> {
        let Header { width, height, .. } = *header;
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(PictureError::TooManyPixels { width, height, limit: self.max_pixels });
        }
        Ok(())
    }
}
