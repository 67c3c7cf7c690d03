//! With-and-without-augmentation protocols and their tables.
