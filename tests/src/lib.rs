//! The testkit and the end-to-end suites.
