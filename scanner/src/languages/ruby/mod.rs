//! Ruby: installed gems and Bundler's lock file.

mod gemfile;
mod gemspec;

pub(super) use gemfile::GEMFILE;
pub(super) use gemspec::GEMSPEC;
