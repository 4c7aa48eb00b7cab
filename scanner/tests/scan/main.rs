//! Whole images, in real OCI layouts, through the scanner.

mod folders;
mod hostile;
mod images;
mod languages;
mod licenses;
mod reports;
mod sboms;
mod side_by_side;
mod support;
mod windows;
