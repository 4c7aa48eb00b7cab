//! Swift packages and CocoaPods.

mod podfile;
mod swift;

pub(super) use podfile::PODFILE;
pub(super) use swift::SWIFT;
