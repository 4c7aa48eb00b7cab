//! Chains that start by themselves: by the calendar, and when new advisories are there.

pub mod calendar;
