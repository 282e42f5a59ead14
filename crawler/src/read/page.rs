//! A body with what is known about it.

use jiff::tz::TimeZone;
use model::{Pointers, Selectors, Timestamp};
use url::Url;

use crate::charset::{Decoded, decode};
use crate::dates;

/// A body with what is known about it.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// Where it came from.
    pub url: &'a Url,
    /// The `Content-Type` field it came with.
    pub content_type: Option<&'a str>,
    /// The bytes, content codings undone.
    pub body: &'a [u8],
    /// Where things stand in it, where the source says so.
    pub selectors: &'a Selectors,
    /// Where things stand in JSON, where the source says so.
    pub pointers: Option<&'a Pointers>,
    /// The zone of dates that come without one.
    pub zone: TimeZone,
    /// When it was fetched.
    pub now: Timestamp,
    /// What a file that is packed inside may unfold to, bytes.
    pub most_decoded: u64,
}

impl<'a> Page<'a> {
    /// A body of `url`, dates without a zone being those of `timezone` or of the host's country.
    pub fn new(
        url: &'a Url,
        body: &'a [u8],
        selectors: &'a Selectors,
        timezone: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let zone = dates::zone_of(timezone, Some(url));
        Self { url, content_type: None, body, selectors, pointers: None, zone, now, most_decoded: u64::MAX }
    }

    /// The same, with a bound on what a packed file may unfold to.
    pub fn at_most(self, most_decoded: u64) -> Self {
        Self { most_decoded, ..self }
    }

    /// The same, with pointers into JSON.
    pub fn pointed_at(self, pointers: &'a Pointers) -> Self {
        Self { pointers: Some(pointers), ..self }
    }

    /// The same, with the `Content-Type` field.
    pub fn of_type(self, content_type: Option<&'a str>) -> Self {
        Self { content_type, ..self }
    }

    pub(crate) fn decoded(&self) -> Decoded {
        decode(self.body, self.content_type)
    }

    /// The beginning, for a look at what it is.
    pub(crate) fn head(&self) -> String {
        decode(self.body.get(..2048).unwrap_or(self.body), self.content_type).text
    }
}
