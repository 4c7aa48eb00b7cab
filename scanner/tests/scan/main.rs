//! Whole images, in real OCI layouts, through the scanner.

mod hostile;
mod images;
mod languages;
mod licenses;
mod reports;
mod support;
