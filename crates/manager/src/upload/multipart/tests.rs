//! Bodies as browsers, curl and hostile clients write them, cut into chunks at every place.

use std::convert::Infallible;

use futures_util::stream;

use super::*;

type Read = Result<Vec<(Part, Vec<u8>)>, MultipartError<Infallible>>;

fn read(body: &[u8], chunk_bytes: usize) -> Read {
    let chunks: Vec<_> = body.chunks(chunk_bytes).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let mut multipart = Multipart::new(stream::iter(chunks), "B");
        let mut parts = Vec::new();
        while let Some(part) = multipart.next_part().await? {
            let mut content = Vec::new();
            while let Some(chunk) = multipart.chunk().await? {
                content.extend_from_slice(&chunk);
            }
            parts.push((part, content));
        }
        Ok(parts)
    })
}

fn part(file_name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn names(body: &[u8]) -> Vec<Option<String>> {
    read(body, 7).unwrap().into_iter().map(|(part, _)| part.file_name).collect()
}

#[test]
fn parts_are_the_same_wherever_the_body_is_cut_into_chunks() {
    let contents: [&[u8]; 4] = [b"one", b"", b"\r\n--", b"\r\n--\r\n--A\r\n\r\n"];
    let mut body: Vec<u8> = contents.iter().flat_map(|content| part("a.jpg", content)).collect();
    body.extend_from_slice(b"--B--\r\n");
    for chunk_bytes in 1..=body.len() {
        let parts = read(&body, chunk_bytes).unwrap();
        let read: Vec<&[u8]> = parts.iter().map(|(_, content)| &content[..]).collect();
        assert_eq!(read, contents, "in chunks of {chunk_bytes}");
    }
}

#[test]
fn what_stands_before_the_first_boundary_is_skipped() {
    let body = [b"a preamble\r\n".to_vec(), part("a.jpg", b"x"), b"--B--".to_vec()].concat();
    assert_eq!(read(&body, 5).unwrap().len(), 1);
}

#[test]
fn a_name_with_a_nul_is_given_as_it_is_and_its_neighbours_are_read() {
    let body = [part("a\0b.jpg", b"x"), part("c.jpg", b"y"), b"--B--".to_vec()].concat();
    assert_eq!(names(&body), [Some("a\0b.jpg".to_owned()), Some("c.jpg".to_owned())]);
}

#[test]
fn quotes_are_read_as_browsers_and_as_curl_write_them() {
    let body = [part("a%22b%0A.jpg", b""), part(r#"a\"b.jpg"#, b""), part(r"C:\x\100%41.jpg", b""), b"--B--".to_vec()];
    let expected = ["a\"b\n.jpg", "a\"b.jpg", r"C:\x\100%41.jpg"].map(|name| Some(name.to_owned()));
    assert_eq!(names(&body.concat()), expected);
}

#[test]
fn a_name_in_the_extended_form_wins() {
    let body = b"--B\r\ncontent-disposition: form-data; filename=x; filename*=UTF-8''%e2%82%ac.jpg; name=file\r\n\r\n\r\n--B--";
    let parts = read(body, 9).unwrap();
    assert_eq!(parts[0].0, Part { field: "file".to_owned(), file_name: Some("\u{20ac}.jpg".to_owned()) });
}

#[test]
fn a_body_that_is_cut_is_noticed_at_every_byte() {
    let whole = [part("a.jpg", b"content"), b"--B--".to_vec()].concat();
    for length in 0..whole.len() {
        assert!(matches!(read(&whole[..length], 8), Err(MultipartError::Cut)), "cut after {length} bytes");
    }
}

#[test]
fn endless_headers_are_refused() {
    let body = [b"--B\r\nX: ".to_vec(), vec![b'x'; 2 * PART_HEADER_BYTES]].concat();
    assert!(matches!(read(&body, 1000), Err(MultipartError::Malformed(_))));
}

#[test]
fn the_boundary_is_read_from_the_content_type() {
    let of = |content_type| boundary(content_type);
    assert_eq!(of("multipart/form-data; boundary=abc"), Some(Ok("abc".to_owned())));
    assert_eq!(of("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), Some(Ok("a b".to_owned())));
    assert!(matches!(of("multipart/form-data"), Some(Err(_))));
    assert_eq!(of("image/jpeg"), None);
}
