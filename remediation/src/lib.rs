//! Mending: upgrades chosen, fetched from verified repositories, laid as one patch layer, and proven.
