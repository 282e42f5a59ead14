//! Queries of URLs.

/// The query of a URL, as sent: no escape is decoded.
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl Query<'_> {
    /// Returns the value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|pair| pair.1)
    }

    /// Returns the value of a parameter as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.parameter(name)?.parse().ok()
    }
}
