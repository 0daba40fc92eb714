//! What any program needs around the concepts: the command line, devices, files, progress, results.

pub mod cli;
pub mod device;
pub mod files;
pub mod print;
pub mod progress;
pub mod results;
