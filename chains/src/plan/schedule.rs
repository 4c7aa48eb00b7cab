//! `on.schedule`, checked: when, and over which images.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::as_text;

/// When a chain starts by itself. What is as if left out is not written, so that the hash names the meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields, single spaces, lower case: minute, hour, day of the month, month, day of the week. As in cron(8),
    /// where both days are restricted, either is enough.
    pub cron: String,
    /// A name of the tz database, which `cron` is read in.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub timezone: String,
    /// Which images in scope.
    #[serde(default, skip_serializing_if = "ImageWindow::is_all")]
    pub images: ImageWindow,
}

/// The images that a schedule looks at: those that any of the fields names; all in scope when none is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageWindow {
    /// Pushed within this time; `90d` in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    pub pushed_within: Option<Duration>,
    /// Pulled within this time; `30d` in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    pub pulled_within: Option<Duration>,
    /// Known to be running somewhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub running: bool,
    /// The newest so many tags of each repository; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<u32>,
}

impl ImageWindow {
    /// Whether nothing narrows it.
    pub fn is_all(&self) -> bool {
        *self == ImageWindow::default()
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
