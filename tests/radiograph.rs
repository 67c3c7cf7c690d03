//! Reading and writing images.
