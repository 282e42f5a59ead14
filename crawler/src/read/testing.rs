//! Helpers shared by the tests of all kinds: they parse fixtures.

use model::{Selectors, SourceKind};
use url::Url;

use super::{Page, Reading, endpoint, read};

/// Parses a fixture of `crawler/fixtures` as a response from `url`. The fixtures are handwritten after the
/// documentation of the platforms.
pub(super) fn read_fixture(kind: SourceKind, name: &str, url: &str) -> Reading {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    read_body(kind, &std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), url)
}

/// Parses a body as a response from `url`.
pub(super) fn read_body(kind: SourceKind, body: &[u8], url: &str) -> Reading {
    let url = Url::parse(url).unwrap();
    let selectors = Selectors::default();
    read(kind, &Page::new(&url, body, &selectors, None, "2026-11-23T10:00:00Z".parse().unwrap()))
}

/// Returns the address to fetch for a declared address.
pub(super) fn address_of(kind: SourceKind, url: &str) -> Result<String, String> {
    endpoint(kind, &Url::parse(url).unwrap()).map(String::from)
}
