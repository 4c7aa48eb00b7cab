//! What is in an image and what is known to be wrong with it.
