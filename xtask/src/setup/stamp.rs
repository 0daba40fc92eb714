//! The stamp is what a set-up leaves in `.libtorch/torch` last of all: without it nothing counts.

use super::platform::Form;
use crate::files;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

const NAME: &str = "from-noise.json";

/// What was installed, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub form: Form,
    pub source: String,
}

impl Stamp {
    pub fn write(&self, torch: &Path) -> Result<()> {
        files::write(&torch.join(NAME), &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Reads it back, if there is one and it is whole.
    pub fn read(torch: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(torch.join(NAME)).ok()?).ok()
    }
}
