//! Bodies: read with a cap on the wire, decoded with a cap on what they unfold to.
//!
//! We undo content codings ourselves, since libraries that do it for us set no limit: ten
//! kilobytes of zeros unfold to ten megabytes.

use std::io::Read;

use bytes::{Bytes, BytesMut};

use super::transport::TransportError;

/// The `Accept-Encoding` field: what [`read`] can undo.
pub(super) const ACCEPTED: &str = "gzip, br, deflate";

#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) wire: u64,
    pub(super) decoded: u64,
    /// Stop reading, without an error, after this many bytes.
    pub(super) keep: Option<usize>,
}

pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) wire_bytes: u64,
    pub(super) truncated: bool,
}

pub(super) enum BodyError {
    Broken(reqwest::Error),
    Refused(TransportError),
}

pub(super) async fn read(mut response: reqwest::Response, caps: Caps) -> Result<Body, BodyError> {
    let codings: Vec<String> = response
        .headers()
        .get_all(reqwest::header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("").split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    let refused = |error| BodyError::Refused(error);
    let mut wire = BytesMut::new();
    let mut cut = false;
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        wire.extend_from_slice(&chunk);
        if wire.len() as u64 > caps.wire {
            return Err(refused(TransportError::TooLarge(caps.wire)));
        }
        if caps.keep.is_some_and(|keep| codings.is_empty() && wire.len() > keep) {
            cut = true;
            break;
        }
    }
    let wire_bytes = wire.len() as u64;
    let (mut bytes, mut truncated) = if codings.is_empty() {
        (wire.freeze(), cut)
    } else {
        // Unfolding is CPU work.
        let unfolded = tokio::task::spawn_blocking(move || undo(&wire, &codings, caps)).await;
        unfolded
            .unwrap_or_else(|_| Err(TransportError::Decode("the decoder broke".to_owned())))
            .map_err(refused)?
    };
    if let Some(keep) = caps.keep.filter(|keep| bytes.len() > *keep) {
        bytes.truncate(keep);
        truncated = true;
    }
    Ok(Body { bytes, wire_bytes, truncated })
}

/// Undoes codings, the last applied first (RFC 9110 §8.4).
fn undo(wire: &[u8], codings: &[String], caps: Caps) -> Result<(Bytes, bool), TransportError> {
    if codings.len() > 3 {
        return Err(TransportError::Decode(format!("{} content codings", codings.len())));
    }
    let mut bytes = wire.to_vec();
    let mut truncated = false;
    for coding in codings.iter().rev() {
        (bytes, truncated) = unfold(coding, &bytes, caps)?;
    }
    Ok((bytes.into(), truncated))
}

fn unfold(coding: &str, bytes: &[u8], caps: Caps) -> Result<(Vec<u8>, bool), TransportError> {
    match coding {
        "gzip" | "x-gzip" => take(flate2::read::MultiGzDecoder::new(bytes), caps),
        "br" => take(brotli::Decompressor::new(bytes, 16 * 1024), caps),
        // RFC 9110 says zlib; some servers send bare deflate.
        "deflate" => take(flate2::read::ZlibDecoder::new(bytes), caps)
            .or_else(|_| take(flate2::read::DeflateDecoder::new(bytes), caps)),
        other => Err(TransportError::Decode(format!("unknown content coding {other:?}"))),
    }
}

/// Reads up to the cap. A stream that breaks off keeps what it gave: half a page is still news.
fn take(decoder: impl Read, caps: Caps) -> Result<(Vec<u8>, bool), TransportError> {
    let limit = caps.keep.map_or(caps.decoded, |keep| caps.decoded.min(keep as u64));
    let mut bytes = Vec::new();
    match decoder.take(limit + 1).read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() => Err(TransportError::Decode(error.to_string())),
        Err(_) => Ok((bytes, true)),
        Ok(_) if bytes.len() as u64 <= limit => Ok((bytes, false)),
        Ok(_) if caps.keep.is_some() => Ok((bytes, true)),
        Ok(_) => Err(TransportError::TooLarge(caps.decoded)),
    }
}

/// Unfolds a gzip file that came without saying so (`sitemap.xml.gz`), with a cap.
pub(crate) fn gunzip(bytes: &[u8], cap: u64) -> Result<Vec<u8>, TransportError> {
    let caps = Caps { wire: u64::MAX, decoded: cap, keep: None };
    take(flate2::read::MultiGzDecoder::new(bytes), caps).map(|(bytes, _)| bytes)
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

    const CAPS: Caps = Caps { wire: 1 << 20, decoded: 1000, keep: None };

    #[test]
    fn codings_are_undone_in_order() {
        let twice = gzip(&gzip(b"hello"));
        let (bytes, _) = undo(&twice, &["gzip".into(), "gzip".into()], CAPS).unwrap();
        assert_eq!(&bytes[..], b"hello");
        assert!(undo(b"x", &["zstd9".into()], CAPS).is_err());
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(undo(&bomb, &["gzip".into()], CAPS), Err(TransportError::TooLarge(1000)));
    }

    #[test]
    fn a_stream_that_breaks_off_keeps_what_it_gave() {
        let noise: Vec<u8> =
            (0..900u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).take(900).collect();
        let whole = gzip(&noise);
        let (bytes, truncated) = undo(&whole[..whole.len() / 2], &["gzip".into()], CAPS).unwrap();
        assert!(truncated && !bytes.is_empty() && noise.starts_with(&bytes));
    }
}
