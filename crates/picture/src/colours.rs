//! What a picture's channels mean.

/// The colours of a picture's channels, each of 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    Grey,
    Rgb,
    /// Brightness and two differences of colour, as JFIF has them: ITU-R BT.601 over the full range.
    YCbCr,
    /// Four inks, 255 for none: as Adobe's programs store them.
    Cmyk,
    /// The first three inks of [`Colours::Cmyk`] as differences of colour.
    Ycck,
}

/// Values of eight pixels in one channel.
pub(crate) type Eight = [f32; 8];

impl Colours {
    /// Red, green and blue of eight pixels, to the nearest of 0 to 255.
    #[inline(always)]
    pub(crate) fn rgb(self, channels: &[Eight]) -> [[u8; 8]; 3] {
        match (self, channels) {
            (Self::Grey, [grey, ..]) => [rounded(*grey); 3],
            (Self::Rgb, [red, green, blue, ..]) => [*red, *green, *blue].map(rounded),
            (Self::YCbCr, [y, cb, cr, ..]) => from_differences(y, cb, cr).map(rounded),
            (Self::Cmyk, [cyan, magenta, yellow, key]) => [cyan, magenta, yellow].map(|ink| rounded(shaded(ink, key))),
            (Self::Ycck, [y, cb, cr, key]) => from_differences(y, cb, cr)
                .map(|colour| rounded(shaded(&colour.map(|value| 255.0 - clamped(value)), key))),
            _ => unreachable!("a picture has as many channels as its colours need"),
        }
    }
}

/// JFIF 1.02, page 3.
#[inline(always)]
fn from_differences(y: &Eight, cb: &Eight, cr: &Eight) -> [Eight; 3] {
    let each =
        |colour: fn(f32, f32, f32) -> f32| std::array::from_fn(|nth| colour(y[nth], cb[nth] - 128.0, cr[nth] - 128.0));
    [
        each(|y, _, cr| y + 1.402 * cr),
        each(|y, cb, cr| y - 0.344_136 * cb - 0.714_136 * cr),
        each(|y, cb, _| y + 1.772 * cb),
    ]
}

#[inline(always)]
fn shaded(ink: &Eight, key: &Eight) -> Eight {
    std::array::from_fn(|nth| ink[nth] * key[nth] * (1.0 / 255.0))
}

#[inline(always)]
fn clamped(value: f32) -> f32 {
    // Not `clamp`, whose answer to what is no number costs as much again.
    let value = if value > 0.0 { value } else { 0.0 };
    if value < 255.0 { value } else { 255.0 }
}

#[inline(always)]
fn rounded(values: Eight) -> [u8; 8] {
    values.map(round)
}

/// To the nearest of 0 to 255. Added to 2^23, a float's last bit counts ones: so whole rows are rounded at once, which the
/// usual way (that has an answer to what is no number) prevents.
#[inline(always)]
pub(crate) fn round(value: f32) -> u8 {
    (clamped(value) + 8_388_608.0).to_bits() as u8
}
