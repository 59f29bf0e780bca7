//! Later in this commit.
