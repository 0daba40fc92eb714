//! Which images: the part of a data set, their colours and their size.

use serde::{Deserialize, Serialize};

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Test,
}

/// Grey or colour images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    Gray,
    Rgb,
}

impl Color {
    /// The number of channels: 1 or 3.
    pub fn channels(self) -> i64 {
        match self {
            Color::Gray => 1,
            Color::Rgb => 3,
        }
    }
}

/// The images a network takes: square, `size` pixels per side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Format {
    pub color: Color,
    pub size: u32,
}

impl Format {
    /// The format of MNIST and Fashion-MNIST: grey, 28 pixels per side.
    pub const MNIST: Self = Self { color: Color::Gray, size: 28 };

    /// The shape of one image, `[C, H, W]`.
    pub fn shape(self) -> [i64; 3] {
        [self.color.channels(), self.size as i64, self.size as i64]
    }
}
