//! What the tests of all kinds share: fixtures, read as their kind.

use model::{Selectors, SourceKind};
use url::Url;

use super::{Page, Reading, endpoint, read};

/// A fixture of `crawler/fixtures`, written by hand after the platform's documents, as it is read at `url`.
pub(super) fn read_fixture(kind: SourceKind, name: &str, url: &str) -> Reading {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    read_body(kind, &std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), url)
}

/// A body as it is read at `url`.
pub(super) fn read_body(kind: SourceKind, body: &[u8], url: &str) -> Reading {
    let url = Url::parse(url).unwrap();
    let selectors = Selectors::default();
    read(kind, &Page::new(&url, body, &selectors, None, "2026-11-23T10:00:00Z".parse().unwrap()))
}

/// Where a declared address is read.
pub(super) fn address_of(kind: SourceKind, url: &str) -> Result<String, String> {
    endpoint(kind, &Url::parse(url).unwrap()).map(String::from)
}
