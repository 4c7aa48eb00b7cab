//! The native dpkg executor: nothing is run, no privilege is needed.
