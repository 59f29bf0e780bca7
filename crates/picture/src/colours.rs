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
    pub(crate) fn rgb(self, channels: &[Eight]) -> [[u8; 3]; 8] {
        match (self, channels) {
            (Self::Grey, [grey, ..]) => each(|nth| [grey[nth]; 3]),
            (Self::Rgb, [red, green, blue, ..]) => each(|nth| [red[nth], green[nth], blue[nth]]),
            (Self::YCbCr, [y, cb, cr, ..]) => each(|nth| from_differences(y[nth], cb[nth], cr[nth])),
            (Self::Cmyk, [cyan, magenta, yellow, key]) => {
                each(|nth| shaded([cyan[nth], magenta[nth], yellow[nth]], key[nth]))
            }
            (Self::Ycck, [y, cb, cr, key]) => each(|nth| {
                let [red, green, blue] = from_differences(y[nth], cb[nth], cr[nth]);
                shaded([255.0 - clamped(red), 255.0 - clamped(green), 255.0 - clamped(blue)], key[nth])
            }),
            _ => unreachable!("a picture has as many channels as its colours need"),
        }
    }
}

#[inline(always)]
fn each(colours: impl Fn(usize) -> [f32; 3]) -> [[u8; 3]; 8] {
    let mut pixels = [[0; 3]; 8];
    for (nth, pixel) in pixels.iter_mut().enumerate() {
        let [red, green, blue] = colours(nth);
        *pixel = [round(red), round(green), round(blue)];
    }
    pixels
}

/// JFIF 1.02, page 3.
#[inline(always)]
fn from_differences(y: f32, cb: f32, cr: f32) -> [f32; 3] {
    let (blue, red) = (cb - 128.0, cr - 128.0);
    [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue]
}

#[inline(always)]
fn shaded([cyan, magenta, yellow]: [f32; 3], key: f32) -> [f32; 3] {
    let light = key * (1.0 / 255.0);
    [cyan * light, magenta * light, yellow * light]
}

#[inline(always)]
fn clamped(value: f32) -> f32 {
    // Not `clamp`, whose answer to what is no number costs as much again.
    let value = if value > 0.0 { value } else { 0.0 };
    if value < 255.0 { value } else { 255.0 }
}

/// To the nearest of 0 to 255. Added to 2^23, a float's last bit counts ones: so whole rows are rounded at once, which the
/// usual way (that has an answer to what is no number) prevents.
#[inline(always)]
pub(crate) fn round(value: f32) -> u8 {
    (clamped(value) + 8_388_608.0).to_bits() as u8
}
