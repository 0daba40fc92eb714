//! What people look at: curves, point clouds, densities, trajectories, vector fields, grids of images, GIFs.
//!
//! Every kind of plot is an owned value with `draw() -> Figure`; a [`Figure`] is saved, set in rows and columns, or
//! shown by a notebook cell that ends in it. plotters lays the plots out; `canvas` paints them, with fonts from
//! `assets/fonts`, so that a figure is the same on every machine.

mod axes;
mod canvas;
mod curves;
mod density;
mod figure;
mod gif;
mod grid;
mod heat;
mod legend;
mod notebook;
mod plane;
mod polyline;
mod raster;
mod scatter;
mod series;
mod style;
mod tensors;
mod text;
mod ticks;
mod trajectories;
mod vector_field;

use crate::util::files::write_atomically;
use std::path::{Path, PathBuf};

pub use curves::Curves;
pub use density::Density;
pub use figure::Figure;
pub use gif::Gif;
pub use grid::{Grid, grid};
pub use scatter::Scatter;
pub use trajectories::Trajectories;
pub use vector_field::VectorField;

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the picture {}: {source}. Name a file in a folder that you may write to.", path.display())]
pub struct PlotError {
    path: PathBuf,
    source: std::io::Error,
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    write_atomically(path, bytes).map_err(|source| PlotError { path: path.to_path_buf(), source })
}

/// The colour at a place of the plane, in a figure without anything beside the square.
#[cfg(test)]
fn probe(figure: &Figure, plane: &plane::Plane, point: (f64, f64)) -> [u8; 3] {
    let (x, y) = plane.pixel(point);
    figure.image().get_pixel(x, y).0
}
