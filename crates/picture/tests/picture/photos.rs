//! Real photos.

use manyeyes_picture::{Fit, Limits, decode, decode_fitted, read_header, thumbnail};

use crate::samples;

#[test]
fn every_photo_of_both_folders_decodes_to_the_size_of_its_header() {
    let test = "every_photo_of_both_folders_decodes_to_the_size_of_its_header";
    for (variable, count) in [("MANYEYES_IMAGES", 45), ("MANYEYES_IMAGES_250", 250)] {
        let Some(photos) = samples::photos(variable, test) else {
            continue;
        };
        assert_eq!(photos.len(), count, "photos in {variable}");
        for path in photos {
            let bytes = std::fs::read(&path).unwrap();
            let header = read_header(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let picture = decode(&bytes, &Limits::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let (mut stored, mut shown) = ([header.width, header.height], [picture.width, picture.height]);
            stored.sort();
            shown.sort();
            assert_eq!(stored, shown, "{}", path.display());
        }
    }
}

#[test]
fn every_photo_fits_a_model_and_has_a_thumbnail() {
    let test = "every_photo_fits_a_model_and_has_a_thumbnail";
    let Some(photos) = samples::photos("MANYEYES_IMAGES", test) else {
        return;
    };
    for path in photos {
        let bytes = std::fs::read(&path).unwrap();
        for fit in [Fit::Squash { width: 256, height: 256 }, Fit::ShorterSide(256)] {
            let square = decode_fitted(&bytes, fit, 224, &Limits::default()).unwrap();
            assert_eq!((square.width, square.height, square.pixels.len()), (224, 224, 224 * 224 * 3));
        }
        let small = thumbnail(&bytes, 320, &Limits::default()).unwrap();
        let header = read_header(&small).unwrap();
        assert_eq!(header.width.max(header.height), 320, "{}", path.display());
    }
}
