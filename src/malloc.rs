//! (being written)
pub fn keep_pages() {}
