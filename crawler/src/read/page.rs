//! A response body with its context.

use jiff::tz::TimeZone;
use model::{Pointers, Selectors, Timestamp};
use url::Url;

use crate::charset::{Decoded, decode};
use crate::dates;

/// A response body with the context that parsing it needs.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The address of the response.
    pub url: &'a Url,
    /// The `Content-Type` field of the response.
    pub content_type: Option<&'a str>,
    /// The bytes, with content codings decoded.
    pub body: &'a [u8],
    /// The CSS selectors that the source declares.
    pub selectors: &'a Selectors,
    /// The JSON pointers that the source declares.
    pub pointers: Option<&'a Pointers>,
    /// The time zone of dates without one.
    pub zone: TimeZone,
    /// The time of the fetch.
    pub now: Timestamp,
    /// Upper bound on the decompressed size of a compressed file in the body, in bytes.
    pub max_decoded_bytes: u64,
}

impl<'a> Page<'a> {
    /// Creates a page for a body of `url`. Dates without a zone are in `timezone`, or else in the zone of the
    /// host's country.
    pub fn new(
        url: &'a Url,
        body: &'a [u8],
        selectors: &'a Selectors,
        timezone: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let zone = dates::default_time_zone(timezone, Some(url));
        Self {
            url,
            content_type: None,
            body,
            selectors,
            pointers: None,
            zone,
            now,
            max_decoded_bytes: u64::MAX,
        }
    }

    /// Sets the upper bound on the decompressed size of a compressed file, in bytes.
    pub fn at_most(self, max_decoded_bytes: u64) -> Self {
        Self { max_decoded_bytes, ..self }
    }

    /// Sets the JSON pointers.
    pub fn with_pointers(self, pointers: &'a Pointers) -> Self {
        Self { pointers: Some(pointers), ..self }
    }

    /// Sets the `Content-Type` field.
    pub fn of_type(self, content_type: Option<&'a str>) -> Self {
        Self { content_type, ..self }
    }

    /// Decodes the body to text.
    pub(crate) fn decoded(&self) -> Decoded {
        decode(self.body, self.content_type)
    }

    /// Decodes the first 2,048 bytes, to detect the format.
    pub(crate) fn head(&self) -> String {
        decode(self.body.get(..2048).unwrap_or(self.body), self.content_type).text
    }
}
