//! A source that is not fetched: its publications come as files.

use super::{Alarm, Page, Reader, Reading};

pub(super) struct Import;

impl Reader for Import {
    fn read(&self, _page: &Page<'_>) -> Reading {
        Reading::alarmed(Alarm::Foreign(
            "a source of kind import is not fetched: `qyran import` feeds it".to_owned(),
        ))
    }
}
