//! Pure transitions: `transition(state, event) -> Result<(state, effects)>`. No clock, no I/O, no randomness.
