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
mod file;
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

pub use curves::Curves;
pub use density::Density;
pub use figure::Figure;
pub use file::PlotError;
pub use gif::Gif;
pub use grid::{Grid, grid};
pub use scatter::Scatter;
pub use trajectories::Trajectories;
pub use vector_field::VectorField;

/// The colour at a place of the plane, in a figure without anything beside the square.
#[cfg(test)]
fn probe(figure: &Figure, plane: &plane::Plane, point: (f64, f64)) -> [u8; 3] {
    let (x, y) = plane.pixel(point);
    figure.image().get_pixel(x, y).0
}
