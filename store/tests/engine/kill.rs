//! `kill -9` at random moments: every run ends as if nothing had happened.

