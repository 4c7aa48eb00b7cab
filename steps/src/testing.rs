//! What the tests of steps stand on: persistence in memory, and contexts.
