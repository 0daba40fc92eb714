//! What people look at: curves, point clouds, densities, trajectories, grids of images, GIFs.
//!
//! Every kind of plot is an owned value with `draw() -> Figure`; a [`Figure`] is saved, set in rows and columns, or
//! shown by a notebook cell that ends in it. plotters lays the plots out and tiny-skia paints them, with fonts from
//! `assets/fonts`, so that a figure is the same on every machine. A module uses those of the groups above its own.

mod notebook;
mod style;
mod tensors;
mod text;
mod ticks;
mod window;

mod canvas;

mod figure;

mod axes;
mod gif;
mod grid;
mod sheet;

mod legend;

mod plane;
mod series;

mod curves;
mod density;
mod scatter;
mod trajectories;

pub use curves::Curves;
pub use density::Density;
pub use figure::{Figure, PlotError};
pub use gif::Gif;
pub use grid::Grid;
pub use scatter::Scatter;
pub use sheet::sheet;
pub use trajectories::Trajectories;
