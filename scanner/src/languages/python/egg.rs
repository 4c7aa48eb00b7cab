//! Zipped eggs: `*.egg` with `EGG-INFO/PKG-INFO`; setuptools, "The Internal Structure of Python Eggs".

use std::io::Read as _;

use super::metadata::metadata;
use crate::languages::{
    Found, Named, Unreadable,
    input::{self, Size, Whole},
    java::zip::Directory,
    limits,
};

pub(in crate::languages) static EGG: Whole = Whole {
    name: "python-egg",
    version: 1,
    named: &[Named::Ends("egg")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| egg(bytes),
};

fn egg(bytes: &[u8]) -> Result<Found, Unreadable> {
    for entry in Directory::of(bytes)? {
        let entry = entry?;
        if entry.name == "EGG-INFO/PKG-INFO" {
            let content = entry.open().ok_or_else(|| Unreadable::new("EGG-INFO/PKG-INFO is encrypted"))?;
            let mut text = Vec::new();
            content.take(limits::archives().entry).read_to_end(&mut text)?;
            return Ok(Found::from_iter([metadata(&text)?]));
        }
    }
    Err(Unreadable::new("it has no EGG-INFO/PKG-INFO"))
}
