//! What is kept: objects, items, matches, source state, history.
