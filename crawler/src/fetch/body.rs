//! Response bodies: read and decoded with a limit on the wire size and on the decoded size.
//!
//! This module decodes content codings itself, because HTTP libraries do so without a limit: ten
//! kilobytes may decompress to ten megabytes.

use std::io::Read;

use bytes::{Bytes, BytesMut};

use super::transport::TransportError;

/// The `Accept-Encoding` field: the content codings that [`read`] can decode.
pub(super) const ACCEPT_ENCODING: &str = "gzip, br, deflate";

/// The size limits of a body, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_wire_bytes: u64,
    pub(super) max_decoded_bytes: u64,
    /// The length to which a longer body is truncated, without an error.
    pub(super) truncate_at: Option<usize>,
}

/// A decoded body.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) wire_bytes: u64,
    pub(super) truncated: bool,
}

/// An error of [`read`].
pub(super) enum BodyError {
    /// The connection broke.
    Connection(reqwest::Error),
    /// The body exceeds a limit or cannot be decoded.
    Rejected(TransportError),
}

/// Reads and decodes the body of a response. Decoding runs on a blocking thread.
pub(super) async fn read(mut response: reqwest::Response, limits: Limits) -> Result<Body, BodyError> {
    let codings: Vec<String> = response
        .headers()
        .get_all(reqwest::header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("").split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    let rejected = |error| BodyError::Rejected(error);
    let mut wire = BytesMut::new();
    let mut is_cut = false;
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Connection)? {
        wire.extend_from_slice(&chunk);
        if wire.len() as u64 > limits.max_wire_bytes {
            return Err(rejected(TransportError::TooLarge(limits.max_wire_bytes)));
        }
        if limits.truncate_at.is_some_and(|length| codings.is_empty() && wire.len() > length) {
            is_cut = true;
            break;
        }
    }
    let wire_bytes = wire.len() as u64;
    let (mut bytes, mut truncated) = if codings.is_empty() {
        (wire.freeze(), is_cut)
    } else {
        // Decompression is CPU work.
        let result = tokio::task::spawn_blocking(move || decode(&wire, &codings, limits)).await;
        result
            .unwrap_or_else(|_| Err(TransportError::Decode("the decoder panicked".to_owned())))
            .map_err(rejected)?
    };
    if let Some(length) = limits.truncate_at.filter(|length| bytes.len() > *length) {
        bytes.truncate(length);
        truncated = true;
    }
    Ok(Body { bytes, wire_bytes, truncated })
}

/// Decodes the content codings, in the reverse order of their application (RFC 9110 §8.4). Returns true with the
/// bytes if the data is truncated.
fn decode(wire: &[u8], codings: &[String], limits: Limits) -> Result<(Bytes, bool), TransportError> {
    if codings.len() > 3 {
        return Err(TransportError::Decode(format!(
            "{} content codings; at most 3 are supported",
            codings.len()
        )));
    }
    let mut bytes = wire.to_vec();
    let mut truncated = false;
    for coding in codings.iter().rev() {
        (bytes, truncated) = decompress(coding, &bytes, limits)?;
    }
    Ok((bytes.into(), truncated))
}

fn decompress(coding: &str, bytes: &[u8], limits: Limits) -> Result<(Vec<u8>, bool), TransportError> {
    match coding {
        "gzip" | "x-gzip" => read_limited(flate2::read::MultiGzDecoder::new(bytes), limits),
        "br" => read_limited(brotli::Decompressor::new(bytes, 16 * 1024), limits),
        // RFC 9110 requires the zlib format; some servers send raw deflate data.
        "deflate" => read_limited(flate2::read::ZlibDecoder::new(bytes), limits)
            .or_else(|_| read_limited(flate2::read::DeflateDecoder::new(bytes), limits)),
        other => Err(TransportError::Decode(format!("unknown content coding {other:?}"))),
    }
}

/// Reads up to the limit. If the stream breaks off, the bytes up to that point are returned as truncated: half a
/// page is still useful.
fn read_limited(decoder: impl Read, limits: Limits) -> Result<(Vec<u8>, bool), TransportError> {
    let Limits { max_decoded_bytes, truncate_at, .. } = limits;
    let limit = truncate_at.map_or(max_decoded_bytes, |length| max_decoded_bytes.min(length as u64));
    let mut bytes = Vec::new();
    match decoder.take(limit + 1).read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() => Err(TransportError::Decode(error.to_string())),
        Err(_) => Ok((bytes, true)),
        Ok(_) if bytes.len() as u64 <= limit => Ok((bytes, false)),
        Ok(_) if truncate_at.is_some() => Ok((bytes, true)),
        Ok(_) => Err(TransportError::TooLarge(max_decoded_bytes)),
    }
}

/// Decompresses a gzip file that was sent without a content coding (`sitemap.xml.gz`). Fails if the result is
/// larger than `max_bytes`.
pub(crate) fn gunzip(bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>, TransportError> {
    let limits = Limits { max_wire_bytes: u64::MAX, max_decoded_bytes: max_bytes, truncate_at: None };
    read_limited(flate2::read::MultiGzDecoder::new(bytes), limits).map(|(bytes, _)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const LIMITS: Limits = Limits { max_wire_bytes: 1 << 20, max_decoded_bytes: 1000, truncate_at: None };

    #[test]
    fn content_codings_are_decoded_in_order() {
        let twice = gzip(&gzip(b"hello"));
        let (bytes, _) = decode(&twice, &["gzip".into(), "gzip".into()], LIMITS).unwrap();
        assert_eq!(&bytes[..], b"hello");
        assert!(decode(b"x", &["zstd9".into()], LIMITS).is_err());
    }

    #[test]
    fn a_decompression_bomb_is_rejected() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode(&bomb, &["gzip".into()], LIMITS), Err(TransportError::TooLarge(1000)));
    }

    #[test]
    fn a_broken_stream_yields_a_truncated_body() {
        let noise: Vec<u8> =
            (0..900u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).take(900).collect();
        let compressed = gzip(&noise);
        let (bytes, truncated) =
            decode(&compressed[..compressed.len() / 2], &["gzip".into()], LIMITS).unwrap();
        assert!(truncated && !bytes.is_empty() && noise.starts_with(&bytes));
    }
}
