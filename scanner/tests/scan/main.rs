//! Whole images, in real OCI layouts, through the scanner.

mod hostile;
mod images;
mod reports;
mod support;
