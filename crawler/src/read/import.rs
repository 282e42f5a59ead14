//! A source that is not fetched: its publications are imported from files.

use super::{Alarm, Page, Reader, Reading};

pub(super) struct Import;

impl Reader for Import {
    fn read(&self, _page: &Page<'_>) -> Reading {
        Reading::from_alarm(Alarm::WrongFormat(
            "sources of kind import are not fetched; use `qyran import`".to_owned(),
        ))
    }
}
