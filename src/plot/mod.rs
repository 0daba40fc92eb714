//! What people look at: curves, point clouds, densities, trajectories, vector fields, grids of images, GIFs.
//!
//! Every kind of plot is an owned value with `draw() -> Figure`; a [`Figure`] is saved, set in rows and columns, or
//! shown by a notebook cell that ends in it. plotters lays the plots out; [`canvas`] paints them, with fonts from
//! `assets/fonts`, so that a figure is the same on every machine.

mod axes;
mod canvas;
mod curves;
mod figure;
mod file;
mod grid;
mod legend;
mod notebook;
mod plane;
mod polyline;
mod raster;
mod scatter;
mod style;
mod tensors;
mod text;
mod ticks;

pub use curves::Curves;
pub use figure::Figure;
pub use file::PlotError;
pub use grid::{Grid, grid};
pub use scatter::Scatter;
